// Everyday use of secrets through the npm package `@infisical/sdk`, unmodified.
//
// Usage: node secrets.mjs [NODE_MODULES]. Reads SITE_URL, PROJECT_ID, CLIENT_ID and CLIENT_SECRET. Ends with status 1 at the first
// thing that is not as it should be.

import { createRequire } from "node:module";
import { join } from "node:path";

const { SITE_URL, PROJECT_ID, CLIENT_ID, CLIENT_SECRET } = process.env;
const require = createRequire(join(process.argv[2] ?? ".", "../package.json"));
const { InfisicalSDK } = require("@infisical/sdk");

function check(holds, what) {
  console.log(holds ? "ok     " : "not ok ", what);
  if (!holds) process.exit(1);
}

async function refused(call) {
  try {
    await call();
    return null;
  } catch (error) {
    return `${error.statusCode ?? ""} ${error.message}`;
  }
}

const client = new InfisicalSDK({ siteUrl: SITE_URL });
await client.auth().universalAuth.login({ clientId: CLIENT_ID, clientSecret: CLIENT_SECRET });
check(true, "logs in");
await client.auth().universalAuth.renew();
check(true, "renews its token");

const place = { projectId: PROJECT_ID, environment: "prod", secretPath: "/llm" };
const secrets = client.secrets();
const made = await secrets.createSecret("API_KEY", { ...place, secretValue: "correct-horse-1", secretComment: "from Node" });
check(made.secret.secretKey === "API_KEY" && made.secret.secretValue === "correct-horse-1", "creates");
await secrets.createSecret("URL", { ...place, secretValue: "https://example.com/?k=${API_KEY}" });

const read = await secrets.getSecret({ ...place, secretName: "API_KEY" });
check(read.secretValue === "correct-horse-1" && read.secretComment === "from Node", "reads one");
const listed = await secrets.listSecrets({ ...place, expandSecretReferences: true, viewSecretValue: true });
const values = Object.fromEntries(listed.secrets.map((secret) => [secret.secretKey, secret.secretValue]));
check(
  values.API_KEY === "correct-horse-1" && values.URL === "https://example.com/?k=correct-horse-1",
  "lists, with references expanded",
);
check(Array.isArray(await secrets.listSecretsWithImports(place)), "lists with imports");

const changed = await secrets.updateSecret("API_KEY", { ...place, newSecretName: "LLM_KEY", secretValue: "correct-horse-2" });
check(changed.secret.secretKey === "LLM_KEY" && changed.secret.version === 2, "updates and renames");
const older = await secrets.getSecret({ ...place, secretName: "LLM_KEY", version: 1 });
check(older.secretValue === "correct-horse-1", "reads an older version");

const folder = await client.folders().create({ name: "jobs", path: "/llm", projectId: PROJECT_ID, environment: "prod" });
check(folder.name === "jobs", "creates a folder");
const folders = await client.folders().listFolders({ path: "/llm", projectId: PROJECT_ID, environment: "prod" });
check(folders.length === 1, "lists folders");

const gone = await secrets.deleteSecret("LLM_KEY", place);
check(gone.secret.secretKey === "LLM_KEY", "deletes");
const why = await refused(() => secrets.getSecret({ ...place, secretName: "LLM_KEY" }));
check(why?.includes("404"), `reads no more (${why})`);
console.log("done");
