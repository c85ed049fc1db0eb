/** Types of servers.mjs, which is plain JavaScript, since the set-up uses it too. */
export function findServer(name: string, environment?: { readonly PATH?: string | undefined }): string | undefined;
export function fetchServers(saying: (what: string) => (ended: string) => void): Promise<string | undefined>;
