#!/usr/bin/env node
/** The `nereid` command: runs the sources in a checkout, and what was built of them in an installed package, where Node strips no types. */
const isInstalled = /[\\/]node_modules[\\/]/.test(import.meta.filename ?? import.meta.url);
await import(isInstalled ? "../dist/cli/main.js" : "./main.ts");
