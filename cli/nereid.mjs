#!/usr/bin/env node
/** The `nereid` command: runs the sources in a checkout, and what was built of them in an installed package, where Node strips no types. */
import { enableCompileCache } from "node:module";
import { compileCache } from "./setup/compile-cache.mjs";

process.env.NODE_COMPILE_CACHE = compileCache(process.env); // for the programs that it starts
enableCompileCache?.(process.env.NODE_COMPILE_CACHE);
const isInstalled = /[\\/]node_modules[\\/]/.test(import.meta.filename ?? import.meta.url);
await import(isInstalled ? "../dist/cli/main.js" : "./main.ts");
