// The package: what it weighs, that what is served is current, that it can be installed.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { bundle, entries } from "../build.js";

const folder = fileURLToPath(new URL("..", import.meta.url));

/** In bytes, minified and gzipped, of what an application imports. */
async function weigh(source) {
  const { outputFiles } = await build({
    stdin: { contents: source, resolveDir: folder },
    bundle: true, minify: true, format: "esm", target: "es2022", write: false,
  });
  return gzipSync(outputFiles[0].contents, { level: 9 }).length;
}

for (const [source, most] of [
  ['export { outcome } from "wsverdict"', 716],
  ['export { connect } from "wsverdict"', 2560],
  ['export { connect } from "wsverdict/renewal"', 2860],
  ['export { explain } from "wsverdict/explain"', 1300],
  ['export { tabs } from "wsverdict/tabs"', 600],
  ['export { centrifuge } from "wsverdict/profiles"', 1300],
]) {
  test(`${source} weighs at most ${most} bytes`, async (t) => {
    const bytes = await weigh(source);
    t.diagnostic(`${bytes} bytes`);
    assert.ok(bytes <= most + 16, `${bytes} bytes`); // Node's zlibs differ by some
  });
}

test("what is served is current", async () => {
  for (const [name, entry] of Object.entries(entries)) {
    assert.equal(readFileSync(join(folder, "dist", `${name}.js`), "utf8"), await bundle(entry), `dist/${name}.js: npm run build`);
  }
});

test("nothing is in src that nothing uses", async () => {
  const { metafile } = await build({ entryPoints: Object.values(entries).map((entry) => join(folder, `src/${entry}.js`)), bundle: true, metafile: true, format: "esm", outdir: "x", write: false, absWorkingDir: folder });
  const used = Object.keys(metafile.inputs).map((path) => path.slice("src/".length)).sort();
  assert.deepEqual(readdirSync(join(folder, "src")).filter((name) => name.endsWith(".js")).sort(), used);
});

test("npm pack gives what npm install takes", () => {
  const place = mkdtempSync(join(tmpdir(), "wsverdict-"));
  try {
    const run = (command, ...args) => execFileSync(command, args, { cwd: place, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
    const [{ filename, files }] = JSON.parse(run("npm", "pack", "--json", "--silent", folder));
    const names = files.map(({ path }) => path);
    for (const name of ["package.json", "README.md", "LICENSE", "src/index.js", "types/index.d.ts", "dist/wsverdict.js"]) assert.ok(names.includes(name), name);
    assert.ok(!names.some((name) => name.startsWith("test") || name.includes("node_modules")), `${names}`);
    writeFileSync(join(place, "package.json"), '{ "private": true, "type": "module" }');
    run("npm", "install", "--offline", "--no-audit", "--no-fund", `./${filename}`);
    writeFileSync(join(place, "use.js"), `
      import { connect, outcome } from "wsverdict";
      import { explain } from "wsverdict/explain";
      import { pusher } from "wsverdict/profiles";
      import { connect as renewing } from "wsverdict/renewal";
      import { tabs } from "wsverdict/tabs";
      console.log(typeof connect, typeof explain, typeof renewing, typeof tabs, outcome({ code: 4100 }, { profile: pusher }).action);
    `);
    assert.equal(run("node", "use.js"), "function function function function backoff\n");
    writeFileSync(join(place, "use.ts"), `
      import { connect, type Action, type Connection } from "wsverdict";
      import { centrifuge } from "wsverdict/profiles";
      const socket: Connection = connect("wss://x/", { protocols: ["chat.v1"], profile: centrifuge });
      socket.onclose = ({ outcome }) => { const action: Action = outcome.action; };
      for await (const { data } of socket) socket.send(data);
      // @ts-expect-error
      connect("wss://x/", { protocol: "chat.v1" });
    `);
    for (const [module, resolution] of [["nodenext", "nodenext"], ["esnext", "bundler"]]) {
      run("node", join(folder, "node_modules/typescript/bin/tsc"), "--strict", "--noEmit", "--target", "es2022", "--lib", "es2022,dom,dom.iterable", "--types", "",
        "--module", module, "--moduleResolution", resolution, "use.ts");
    }
  } finally {
    rmSync(place, { recursive: true });
  }
});

test("nobody else's registry is in the lock file", () => {
  const { packages } = JSON.parse(readFileSync(join(folder, "package-lock.json"), "utf8"));
  for (const [name, { resolved }] of Object.entries(packages)) {
    assert.ok(!resolved || resolved.startsWith("https://registry.npmjs.org/"), name);
  }
});
