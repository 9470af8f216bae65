import { defineConfig } from "vitest/config";

/** Tests in Node that start the real server (built bundle on raw workerd) and talk to it over HTTP. */
export default defineConfig({
  test: { include: ["test/local/**/*.test.ts"], testTimeout: 120_000, fileParallelism: false },
});
