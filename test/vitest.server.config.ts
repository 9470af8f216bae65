import { defineConfig } from "vitest/config";

/**
 * Tests that run in Node: the ones that start the real server (built bundle on raw workerd) and
 * talk to it over HTTP, one file at a time, and the ones that read the code.
 */
export default defineConfig({
  test: {
    include: ["test/local/**/*.test.ts", "test/tidy.test.ts"],
    testTimeout: 120_000,
    hookTimeout: 60_000,
    fileParallelism: false,
  },
});
