/*
 * First of all: zod compiles its schemas with `new Function` unless it is told not to, which the page's policy forbids. Said
 * where zod looks for it, and not by calling `z.config`: the page shows its runs before any schema is loaded.
 */
(globalThis as { __zod_globalConfig?: { jitless: boolean } }).__zod_globalConfig = { jitless: true };
