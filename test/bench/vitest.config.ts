import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";

/** The part of the bench that must look inside workerd; main.ts runs it. */
export default defineConfig({
  plugins: [
    cloudflareTest({
      main: "./src/worker.ts",
      wrangler: { configPath: "./wrangler.toml" },
      miniflare: { bindings: { OPEN_MODE: "loopback", TARGET_ALLOW: "*" } },
    }),
  ],
  test: { include: ["test/bench/rows.bench.ts"], testTimeout: 120_000 },
});
