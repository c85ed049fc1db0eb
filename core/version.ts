/** The version of this program, equal to package.json's (held by test/house). Pure. */
export const VERSION = "0.1.0";
