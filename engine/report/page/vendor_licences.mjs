// Copies the licences of what vendor.mjs bundles beside it.
import { copyFileSync, readFileSync } from "node:fs";

const from = (name) => `node_modules/${name}`;
copyFileSync(from("echarts/LICENSE"), "vendor/LICENSE");
copyFileSync(from("echarts/NOTICE"), "vendor/NOTICE");
copyFileSync(from("echarts/licenses/LICENSE-d3"), "vendor/LICENSE-d3");
copyFileSync(from("zrender/LICENSE"), "vendor/LICENSE-zrender");
copyFileSync(from("tslib/LICENSE.txt"), "vendor/LICENSE-tslib");
if (readFileSync("vendor/echarts.min.js", "utf8").includes("</script"))
  throw new Error("vendor/echarts.min.js ends a script element: it cannot stand in a page");
