// Builds the unit tests and runs them: npm test
import { spawnSync } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";
import { build } from "esbuild";

rmSync("out", { recursive: true, force: true });
await build({
  entryPoints: readdirSync("test").filter((f) => f.endsWith(".test.ts")).map((f) => "test/" + f),
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node20",
  outdir: "out",
  outExtension: { ".js": ".mjs" },
});
process.exit(spawnSync(process.execPath, ["--test", "out/"], { stdio: "inherit" }).status ?? 1);
