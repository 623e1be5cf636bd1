// Usage: node bundle.mjs
//
// Prints what compare needs of the npm packages as JSON: the page's script, and of each client its version and its size in bytes, minified,
// and gzipped as well. The settings are those of the size test in codes/client.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const folder = fileURLToPath(new URL(".", import.meta.url));
const packages = {
  wsverdict: ["connect", "../../../codes/client/src/index.js", "../../../codes/client"],
  "reconnecting-websocket": ["default"],
  partysocket: ["WebSocket"],
  "graphql-ws": ["createClient"],
  centrifuge: ["Centrifuge"],
  "socket.io-client": ["io"],
};

async function bundle(contents) {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: folder },
    bundle: true, minify: true, format: "esm", target: "es2022", write: false,
  });
  return outputFiles[0].contents;
}

const clients = {};
for (const [name, [what, from = name, at = `../node_modules/${name}`]] of Object.entries(packages)) {
  const minified = await bundle(`export { ${what} } from "${from}"`);
  const { version } = JSON.parse(readFileSync(`${folder}${at}/package.json`, "utf8"));
  clients[name] = { version, minified: minified.length, gzipped: gzipSync(minified, { level: 9 }).length };
}
const script = Buffer.from(await bundle('import "./page/page.js"')).toString();
console.log(JSON.stringify({ script, clients }));
