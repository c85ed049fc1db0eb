/** Types of install-decision.mjs, which is plain JavaScript, for the tests. */

export type InstallMode = "runtime" | "development";

export interface InstallFacts {
  readonly mode: InstallMode;
  readonly lockText: string;
  readonly lockDigest: string;
  readonly stampText: string | undefined;
  readonly installedText: string | undefined;
  readonly nodeIsThere: boolean;
  readonly platform: string;
}

export function decideInstall(facts: InstallFacts): { kind: "keep"; mode: InstallMode } | { kind: "install"; reason: string };
export function stampOf(installed: { readonly lockDigest: string; readonly mode: InstallMode; readonly platform: string }): string;
