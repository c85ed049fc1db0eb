/** Types of servers.mjs, which is plain JavaScript, since the set-up uses it too. */
export function findProgram(name: string, environment?: { readonly PATH?: string | undefined }): string | undefined;
type Saying = (what: string) => (ended: string) => void;
export function fetchPrograms(names: readonly string[], saying: Saying): Promise<string | undefined>;
export function fetchServers(saying: Saying): Promise<string | undefined>;
