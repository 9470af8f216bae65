import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";

export default defineConfig({
  plugins: [
    cloudflareTest({
      main: "./src/worker.ts",
      wrangler: { configPath: "./wrangler.toml" },
      miniflare: {
        bindings: {
          OPEN_MODE: "loopback",
          TARGET_ALLOW: "*",
          APP_ENGINE_URL: "http://{service}.app.test",
        },
      },
    }),
  ],
  test: {
    testTimeout: 30_000,
    include: ["test/**/*.test.ts"],
    exclude: ["test/local/**", "test/bench/**", "test/tidy.test.ts"],
  },
});
