// Builds the scripts that the server embeds: npm run build
import { build } from "esbuild";

await build({
  entryPoints: { first: "src/first.ts", painter: "src/worker.ts", app: "src/main.ts", add: "src/add.ts", embed: "src/embed.ts" },
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  charset: "utf8",
  alias: { "d3-transition": "./src/interrupt.ts" },
  legalComments: "none",
  outdir: "../assets",
  banner: { js: "// Built from ../app; npm run build there. d3 is licensed under ISC, © Mike Bostock." },
});
