import { z } from 'zod';

// First of all: zod compiles its schemas with `new Function` unless it is told not to, which the page's policy forbids.
z.config({ jitless: true });
