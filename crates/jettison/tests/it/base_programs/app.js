// What a program in JavaScript asks of its base.
const childProcess = require("child_process"), dns = require("dns"), fs = require("fs"), https = require("https");
const os = require("os"), zlib = require("zlib");

const ask = (url) => new Promise((resolve) => {
  const refused = ["SELF_SIGNED_CERT_IN_CHAIN", "UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "UNABLE_TO_VERIFY_LEAF_SIGNATURE"];
  https.get(url, (answer) => resolve(answer.statusCode))
    .on("error", (error) => resolve(refused.includes(error.code) ? "not trusted" : error));
});

async function main() {
  console.log("hello from", process.getuid(), process.execPath);
  console.log(new Date(1700000000000).toLocaleString("de-DE", { timeZone: "Europe/Kiev" }));
  console.log(Intl.DateTimeFormat().resolvedOptions().timeZone, require("tls").rootCertificates.length > 100);
  console.log(zlib.gunzipSync(zlib.gzipSync("x")).toString(), os.userInfo().username);
  console.log((await dns.promises.lookup("hosts.test")).address);
  console.log(await fetch("http://127.0.0.1:8999").catch((error) => error.cause.code));
  console.log(typeof (await import("node:fs")).readFileSync, childProcess.spawnSync(process.execPath, ["-e", ""]).status);
  try {
    fs.writeFileSync("/tmp/x", "");
  } catch (error) {
    console.log("/tmp:", error.code);
  }
  console.log("the lab says", await ask("https://" + process.env.LAB));
}

main();
