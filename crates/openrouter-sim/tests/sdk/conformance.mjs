// The life of a key, seen through the official npm package `@openrouter/sdk` 1.3.19.
//
// Usage: node conformance.mjs BASE_URL MANAGEMENT_KEY [NODE_MODULES]
//
// BASE_URL is the one from the simulator's first line (http://127.0.0.1:PORT/api/v1). The control surface
// beside it moves the clock and loses a reply. NODE_MODULES is the folder that holds the package, if it is
// not beside this file. Ends with status 1 at the first thing that is not as it should be.

import { createHash } from "node:crypto";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [baseUrl, managementKey, modules] = process.argv.slice(2);
if (!baseUrl || !managementKey) {
  console.error("usage: conformance.mjs BASE_URL MANAGEMENT_KEY [NODE_MODULES]");
  process.exit(2);
}
const entry = modules
  ? pathToFileURL(join(modules, "@openrouter/sdk/esm/index.js")).href
  : "@openrouter/sdk";
const { OpenRouter } = await import(entry);

const NO_RETRIES = { strategy: "none" };

/** One call of the control surface. */
async function control(method, path, body) {
  const url = baseUrl.replace(/\/api\/v1$/, "") + "/_sim" + path;
  const answer = await fetch(url, { method, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status}`);
  return answer.json();
}

/** A client of the package; its default retries are kept unless told otherwise. */
function client(key, retries = true, serverURL = baseUrl) {
  const options = retries ? {} : { retryConfig: NO_RETRIES };
  return new OpenRouter({ apiKey: key, serverURL, ...options });
}

function check(condition, what) {
  console.log((condition ? "ok      " : "FAILED  ") + what);
  if (!condition) throw new Error(what);
}

/** Status and class of the error with which a call fails. */
async function failure(call) {
  try {
    await call();
  } catch (error) {
    if (error.statusCode === undefined) throw error;
    return `${error.statusCode} ${error.name}`;
  }
  throw new Error("the call succeeded");
}

const question = { model: "openai/gpt-4o", messages: [{ role: "user", content: "Hello" }] };
const complete = (router) => router.chat.send({ chatRequest: question });

/** Without retries, so that every request counts. */
async function lifeOfAKey() {
  const manager = client(managementKey, false);
  const before = (await manager.apiKeys.list()).data.length;

  const expiresAt = new Date(Date.now() + 400 * 86_400_000);
  const created = await manager.apiKeys.create({
    requestBody: { name: "sdk/life", limit: 5, limitReset: "weekly", expiresAt },
  });
  const hash = created.data.hash;
  check(hash === createHash("sha256").update(created.key).digest("hex"), "create: the hash is the key's SHA-256");
  check(created.data.limitRemaining === 5 && created.data.usage === 0, "create: a fresh key");
  check(created.data.expiresAt.getTime() === expiresAt.getTime(), "create: expires when asked to");

  check((await manager.apiKeys.list()).data.length === before + 1, "list: one more");
  const read = await manager.apiKeys.get({ hash });
  check(read.data.name === "sdk/life" && read.data.updatedAt === null, "get: as created");
  const updated = await manager.apiKeys.update({ hash, requestBody: { name: "sdk/renamed", limit: 7.5 } });
  check(updated.data.name === "sdk/renamed" && updated.data.limit === 7.5, "update: name and limit");

  const user = client(created.key, false);
  const current = (await user.apiKeys.getCurrentKeyMetadata()).data;
  check(current.label === created.data.label && !current.isManagementKey, "current key: the label");
  check((await manager.apiKeys.getCurrentKeyMetadata()).data.isManagementKey, "current key: a management key");

  const answer = await complete(user);
  check(answer.choices[0].message.content.includes(created.data.label), "completion: names the label");
  const paid = (await manager.apiKeys.get({ hash })).data.usage;
  check(paid > 0, "completion: the key pays");
  const stream = await user.chat.send({ chatRequest: { ...question, stream: true } });
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  check(chunks.length >= 2 && chunks.at(-1).usage !== undefined, "stream: chunks, the last with usage");
  check((await manager.credits.getCredits()).data.totalUsage > paid, "credits: usage is counted");
  const models = await manager.models.list();
  check((models.data ?? models.result.data).some((model) => model.id === "openai/gpt-4o"), "models: the catalogue");

  const unauthorized = "401 UnauthorizedResponseError";
  await manager.apiKeys.update({ hash, requestBody: { disabled: true } });
  check((await failure(() => user.apiKeys.getCurrentKeyMetadata())) === unauthorized, "disabled: 401");
  check((await failure(() => complete(user))) === unauthorized, "disabled: no completion");
  check((await manager.apiKeys.list()).data.every((key) => key.hash !== hash), "disabled: not listed");
  const listed = await manager.apiKeys.list({ includeDisabled: true });
  check(listed.data.some((key) => key.hash === hash), "disabled: listed on demand");
  await manager.apiKeys.update({ hash, requestBody: { disabled: false } });
  check((await user.apiKeys.getCurrentKeyMetadata()).data.limit === 7.5, "enabled again");

  await control("POST", "/clock", { advance_ms: 401 * 86_400_000 });
  check((await failure(() => user.apiKeys.getCurrentKeyMetadata())) === unauthorized, "expired: 401");
  check((await manager.apiKeys.list()).data.every((key) => key.hash !== hash), "expired: not listed");
  check((await manager.apiKeys.get({ hash })).data.expiresAt !== null, "expired: still read by hash");

  const other = await manager.apiKeys.create({ requestBody: { name: "sdk/other" } });
  const stranger = client(other.key, false);
  const forbidden = await failure(() => stranger.apiKeys.create({ requestBody: { name: "x" } }));
  check(forbidden === "403 ForbiddenResponseError", "an API key creates nothing: 403");
  check((await failure(() => stranger.apiKeys.list())).startsWith("403"), "an API key lists nothing: 403");
  check((await failure(() => complete(manager))) === unauthorized, "a management key completes nothing: 401");
  const bad = await failure(() => manager.apiKeys.create({ requestBody: { name: "" } }));
  check(bad === "400 BadRequestResponseError", "an empty name: 400");

  for (const made of [created, other]) {
    const deleted = await manager.apiKeys.delete({ hash: made.data.hash });
    check(deleted.deleted === true, "delete: deleted");
  }
  const notFound = "404 NotFoundResponseError";
  check((await failure(() => manager.apiKeys.delete({ hash }))) === notFound, "delete again: 404");
  check((await failure(() => manager.apiKeys.get({ hash }))) === notFound, "get a deleted key: 404");
  check((await failure(() => stranger.apiKeys.getCurrentKeyMetadata())) === unauthorized, "a deleted key: 401");
}

/** More keys than a page holds. */
async function paging() {
  const manager = client(managementKey, false);
  const made = new Set();
  for (let number = 0; number < 105; number += 1) {
    const created = await manager.apiKeys.create({ requestBody: { name: `sdk/page ${number}` } });
    made.add(created.data.hash);
  }
  const seen = new Set();
  for (let offset = 0; ; offset += 100) {
    const page = (await manager.apiKeys.list({ offset })).data;
    if (offset === 0) check(page.length === 100, "paging: 100 on the first page");
    for (const key of page) seen.add(key.hash);
    if (page.length < 100) break;
  }
  check([...made].every((hash) => seen.has(hash)), "paging: all keys are seen");
  for (const hash of made) await manager.apiKeys.delete({ hash });
  check((await manager.apiKeys.list()).data.length === 0, "paging: nothing is left");
}

/** With the package's own retries, a lost reply makes two keys. */
async function lostCreate() {
  await control("POST", "/presets", { name: "lost-create" });
  const manager = client(managementKey);
  const created = await manager.apiKeys.create({ requestBody: { name: "sdk/lost" } });
  const named = (await manager.apiKeys.list()).data.filter((key) => key.name === "sdk/lost");
  check(named.length === 2, "lost create: the package's retry makes two keys");
  const known = { known_hashes: [created.data.hash], name_prefix: "sdk/lost" };
  const orphans = await control("POST", "/orphans", known);
  check(orphans.orphans.length === 1, "lost create: one of them is an orphan");
  for (const key of named) await manager.apiKeys.delete({ hash: key.hash });
}

await lifeOfAKey();
await paging();
await lostCreate();
const slashed = client(managementKey, false, `${baseUrl}/`);
check((await slashed.apiKeys.list()).data.length === 0, "trailing slash");
