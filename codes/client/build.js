// Builds what codes.Script serves: one file for each entry point. With --check it only compares.
import { readFile, writeFile } from "node:fs/promises";
import { build } from "esbuild";

export const entries = { wsverdict: "index", explain: "explain", profiles: "profiles", renewal: "renewal", tabs: "tabs" };

/** @param {string} entry @returns {Promise<string>} */
export async function bundle(entry) {
  const { outputFiles } = await build({
    entryPoints: [new URL(`src/${entry}.js`, import.meta.url).pathname],
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    charset: "utf8",
    legalComments: "none",
    banner: { js: "// wsverdict, MIT licence. The source: codes/client/src of github.com/wsverdict/wsverdict" },
    write: false,
  });
  return outputFiles[0].text;
}

if (process.argv[1] == new URL(import.meta.url).pathname) {
  for (const [name, entry] of Object.entries(entries)) {
    const file = new URL(`dist/${name}.js`, import.meta.url), built = await bundle(entry);
    if (process.argv[2] != "--check") await writeFile(file, built);
    else if ((await readFile(file, "utf8")) != built) throw new Error(`dist/${name}.js is not current: npm run build`);
  }
}
