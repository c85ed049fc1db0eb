export function compileCache(environment: Readonly<Record<string, string | undefined>>, home?: string): string;
