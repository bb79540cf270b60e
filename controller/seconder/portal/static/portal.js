// What the portal's pages do. A passkey is asked here, and here alone is the statement made that it signs.
//
// Before that the statement is worked out a second time: its very bytes are read again, rendered, and compared with what
// the server shows above and with the object. The server's rendering is made from the change request, by other code.
"use strict";

const SPACE = "k8s-approval@seconder.dev";
const WEBAUTHN = "webauthn-sk-ecdsa-sha2-nistp256@openssh.com";
const KEY_TYPE = "sk-ecdsa-sha2-nistp256@openssh.com";
const STATEMENT = "https://seconder.dev/approval/v1";
const SIGN_IN = "seconder portal sign-in v1";
const SKEW = 60;
const PRINTABLE = /^[^\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]+$/u;

const page = document.body.dataset;
const $ = (id) => document.getElementById(id);
const utf8 = (text) => new TextEncoder().encode(text);

// Bytes: base64, hexadecimal, SSH's wire format (RFC 4251) and the DER of an ECDSA signature.

const binary = (bytes) => Array.from(new Uint8Array(bytes), (byte) => String.fromCharCode(byte)).join("");
const base64 = (bytes) => btoa(binary(bytes));
const hex = (bytes) => Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
const base64url = (bytes) => base64(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const unbase64 = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
const sha256 = (bytes) => crypto.subtle.digest("SHA-256", bytes);

function joined(...parts) {
  const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function uint32(number) {
  return new Uint8Array([number >>> 24, number >>> 16, number >>> 8, number]);
}

function string(value) {
  const bytes = typeof value === "string" ? utf8(value) : new Uint8Array(value);
  return joined(uint32(bytes.length), bytes);
}

/** The two numbers of a DER signature as SSH's mpints: DER has the same shortest two's complement. */
function numbers(der) {
  const bytes = new Uint8Array(der);
  if (bytes[0] !== 0x30 || bytes[1] !== bytes.length - 2) throw new Error("the passkey's signature cannot be read");
  const found = [];
  for (let at = 2; at < bytes.length; at += 2 + bytes[at + 1]) {
    if (bytes[at] !== 2) throw new Error("the passkey's signature cannot be read");
    found.push(string(bytes.subarray(at + 2, at + 2 + bytes[at + 1])));
  }
  if (found.length !== 2) throw new Error("the passkey's signature cannot be read");
  return joined(...found);
}

/** A passkey's answer in OpenSSH's form (PROTOCOL.u2f, "webauthn"). */
function signature(response) {
  const told = new Uint8Array(response.authenticatorData);
  return joined(
    string(WEBAUTHN),
    string(numbers(response.signature)),
    told.subarray(32, 37),
    string(location.origin),
    string(response.clientDataJSON),
    string(told.subarray(37)),
  );
}

/** An SSH signature below its line (PROTOCOL.sshsig). */
function armored(key, made) {
  const blob = joined(utf8("SSHSIG"), uint32(1), string(key), string(SPACE), string(""), string("sha512"), string(made));
  const lines = base64(blob).match(/.{1,70}/g).join("\n");
  return `-----BEGIN SSH SIGNATURE-----\n${lines}\n-----END SSH SIGNATURE-----`;
}

async function challengeFor(line) {
  const digest = await crypto.subtle.digest("SHA-512", line);
  return joined(utf8("SSHSIG"), string(SPACE), string(""), string("sha512"), string(digest));
}

// What is said to people.

function say(text) {
  $("trouble").hidden = true;
  $("said").textContent = text;
}

function complain(text, more = []) {
  const place = $("trouble");
  place.replaceChildren(document.createTextNode(text));
  if (more.length) {
    const list = document.createElement("ul");
    for (const one of more) {
      const item = document.createElement("li");
      item.textContent = one;
      list.append(item);
    }
    place.append(list);
  }
  place.hidden = false;
  if ($("said")) $("said").textContent = "";
  place.scrollIntoView({ block: "nearest" });
}

function words(error) {
  if (error.name === "NotAllowedError") {
    const first = page.page === "sign-in" ? " The first time, make one." : "";
    return `No passkey was used: it was cancelled, took too long, or this device has none for this page.${first}`;
  }
  if (error.name === "InvalidStateError") return "This device has a passkey for this page already.";
  if (error.name === "SecurityError") return "The browser allows no passkeys on this page.";
  if (error.name === "TypeError") return "The portal does not answer. Nothing was changed; please try again in a moment.";
  return error.message;
}

/** Have what is said next stand where somebody looks: below the button that was pressed. */
function sayBelow(place) {
  place.after(...[$("said"), $("trouble")].filter(Boolean));
}

async function attempt(button, work) {
  if (button.closest("main")) sayBelow(button.closest("p"));
  button.disabled = true;
  button.setAttribute("aria-busy", "true");
  try {
    await work();
  } catch (error) {
    complain(words(error));
  } finally {
    button.removeAttribute("aria-busy");
    button.disabled = false;
  }
}

async function ask(path, body) {
  const headers = { accept: "application/json", "x-seconder-token": page.token };
  const options = { headers, redirect: "error", cache: "no-store" };
  if (body !== undefined) {
    options.method = "POST";
    options.body = JSON.stringify(body);
    headers["content-type"] = "application/json";
  }
  const answer = await fetch(path, options);
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(told.problem || "The portal could not answer. Nothing was changed.");
  return told;
}

function passkeys() {
  if (!window.PublicKeyCredential || !navigator.credentials) {
    throw new Error("This browser has no passkeys, or allows none on this page. Open the page in another browser.");
  }
  return navigator.credentials;
}

/** The credential that was used last here, so that the browser need not ask which. */
function remembered() {
  const id = localStorage.getItem("seconder credential");
  return id ? [{ type: "public-key", id: unbase64(id) }] : [];
}

async function assertion(challenge, allowed) {
  const found = await passkeys().get({
    publicKey: { challenge, rpId: page.host, allowCredentials: allowed, userVerification: "required", timeout: 120000 },
  });
  localStorage.setItem("seconder credential", base64(found.rawId));
  return found.response;
}

// Signing in and out.

async function signIn(button) {
  say("Waiting for your passkey ...");
  const { challenge } = await ask("/challenge");
  // Never anything that could be an approval: those begin with SSHSIG.
  if (!challenge.startsWith(`${SIGN_IN}\n${location.origin}\n`)) throw new Error("The portal asked for something else than signing in.");
  const response = await assertion(utf8(challenge), []);
  const handle = response.userHandle ? hex(response.userHandle) : "";
  await ask("/session", { challenge, signature: base64(signature(response)), handle });
  say("Signed in.");
  location.assign(button.dataset.to);
}

// Enrolling: the portal is not told of it.

async function enroll() {
  const principal = $("principal").value.trim();
  if (!principal || !PRINTABLE.test(principal)) {
    $("principal").focus();
    throw new Error("Give your name as an approver first.");
  }
  say("Waiting for your passkey ...");
  const made = await passkeys().create({
    publicKey: {
      rp: { id: page.host, name: "Seconder" },
      user: { id: new Uint8Array(await sha256(utf8(`seconder\n${principal}`))), name: principal, displayName: principal },
      challenge: crypto.getRandomValues(new Uint8Array(32)),
      pubKeyCredParams: [{ type: "public-key", alg: -7 }],
      authenticatorSelection: { residentKey: "required", requireResidentKey: true, userVerification: "required" },
      attestation: "none",
      timeout: 120000,
    },
  });
  const spki = new Uint8Array(made.response.getPublicKey());
  // SubjectPublicKeyInfo of a P-256 key (RFC 5480): 26 bytes that are always the same, then the uncompressed point.
  if (spki.length !== 91 || spki[26] !== 4) throw new Error("This authenticator makes keys of another kind than P-256.");
  const blob = joined(string(KEY_TYPE), string("nistp256"), string(spki.subarray(26)), string(page.host));
  const line = `${KEY_TYPE} ${base64(blob)} passkey`;
  localStorage.setItem(MADE, JSON.stringify({ principal, line }));
  await showMade(principal, line);
  say("Your passkey is made.");
  $("made").focus();
}

/** A phone may drop the page while its owner looks for whom to send the line to. It is no secret. */
const MADE = "seconder passkey";

async function showMade(principal, line) {
  const blob = unbase64(line.split(" ")[1]);
  $("principal").value = principal;
  $("line").value = line;
  $("fingerprint").textContent = `SHA256:${base64(await sha256(blob)).replaceAll("=", "")}`;
  $("approver").textContent = approver(principal, line);
  $("made").hidden = false;
}

function approver(principal, line) {
  const name = principal.toLowerCase().replace(/@.*/, "").replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "") || "approver";
  return `apiVersion: seconder.dev/v1alpha1
kind: Approver
metadata: {name: ${name}}
spec:
  principal: ${JSON.stringify(principal)}
  kubernetesUsers: [${JSON.stringify(principal)}]   # every user name that this person has in the cluster
  keys:
  - {name: passkey, ssh: ${JSON.stringify(line)}}
`;
}

// The statement: made here, read again from its bytes, and compared.

/** Canonical JSON (RFC 8785) of what a statement holds: no number in it has a fraction. */
function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value && typeof value === "object") {
    return `{${Object.keys(value).sort().map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`).join(",")}}`;
  }
  return JSON.stringify(value);
}

/** A statement without the signer's part. One for several objects names no change request, and all are for one requester. */
function unsigned(parts) {
  const [first, ...others] = parts.map(({ facts }) => JSON.parse(facts.statement));
  if (!others.length) return first;
  const { txn, authorization_details, ...shared } = first;
  const details = [...authorization_details];
  for (const { txn: _, authorization_details: more, ...theirs } of others) {
    if (canonical(theirs) !== canonical(shared)) throw new Error("they are not for one requester in one cluster");
    details.push(...more);
  }
  return { ...shared, authorization_details: details };
}

function completed(parts, reason, now) {
  const jti = base64url(crypto.getRandomValues(new Uint8Array(16)));
  const lifetime = Math.min(...parts.map(({ facts }) => facts.lifetime));
  const own = { iss: parts[0].facts.principal, iat: now, exp: now + lifetime, jti, reason };
  return utf8(`${canonical({ ...unsigned(parts), ...own })}\n`);
}

const CLAIMS = ["act", "aud", "authorization_details", "exp", "iat", "iss", "jti", "reason", "sub", "txn"];
const DETAIL = ["actions", "change", "group", "identifier", "impact", "name", "namespace", "resource", "type"];

/** What a statement says, from its bytes alone: for each object, pairs of a key and a text. Throws where it says more. */
function told(line) {
  const text = new TextDecoder("utf-8", { fatal: true }).decode(line);
  const claims = JSON.parse(text);
  const details = claims.authorization_details;
  if (`${canonical(claims)}\n` !== text || !details.length) throw new Error("the statement is not in its one form");
  onlyKnown(claims, CLAIMS);
  if (details.length > 1 && claims.txn !== undefined) throw new Error("the statement is for several objects and names one change request");
  if (new Set(details.map((detail) => detail.identifier)).size !== details.length) throw new Error("the statement names an object twice");
  return { claims, elements: details.map((detail) => ({ detail, said: saidOf(claims, detail) })) };
}

function onlyKnown(held, known) {
  const unknown = Object.keys(held).filter((key) => !known.includes(key));
  if (unknown.length) throw new Error(`the statement says something else: ${unknown.join(", ")}`);
}

function saidOf(claims, detail) {
  onlyKnown(detail, DETAIL);
  if (detail.type !== STATEMENT) throw new Error("the statement is for something else");
  const said = new Map([
    ["action", detail.actions.join(", ")],
    ["resource", detail.group ? `${detail.resource}.${detail.group}` : detail.resource],
    ["name", detail.name],
    ["uid", detail.identifier],
    ["requester", claims.sub],
    ["cluster", claims.aud],
  ]);
  if (claims.txn !== undefined) said.set("request", claims.txn);
  if (detail.namespace !== undefined) said.set("namespace", detail.namespace);
  if (claims.act !== undefined) said.set("agent", claims.act.sub);
  if (detail.impact !== undefined) said.set("impact", summary(detail.impact.counts));
  if (detail.change !== undefined) said.set("from", detail.change.from).set("to", detail.change.to);
  return said;
}

function summary(counts) {
  const present = Object.entries(counts).filter(([, count]) => count);
  present.sort(([one, ones], [other, others]) => others - ones || (one < other ? -1 : 1));
  return present.map(([kind, count]) => `${count} ${kind}`).join(", ") || "nothing counted";
}

const LABELS = {
  action: "Action", resource: "Resource", namespace: "Namespace", name: "Name", uid: "Object's uid", requester: "For",
  agent: "Agent", impact: "Goes down with it", from: "Digest before", to: "Digest after", request: "Change request's uid",
  cluster: "Cluster",
};

/** What nobody compares by eye: shown folded, as the server does. */
const IDENTIFIERS = ["uid", "from", "to", "request", "cluster"];

const HEADING = "Taken away by somebody's next apply:";
const SHOWN = "[data-fact], [data-item], [data-diff]";

/** Where the statement, what the server shows, and the objects say different things; nothing where all agree. */
async function disagreements(line, parts) {
  const { claims, elements } = told(line);
  const found = [];
  if (elements.length !== parts.length) found.push(`the statement is for ${elements.length} objects, and ${parts.length} are shown`);
  const within = parts.reduce((count, { place }) => count + place.querySelectorAll(SHOWN).length, 0);
  if (document.querySelectorAll(SHOWN).length !== within) found.push("something is shown that belongs to none of the requests");
  for (const [at, part] of parts.entries()) {
    if (!elements[at]) continue;
    const differing = await inElement(claims, elements[at], part, parts.length === 1);
    found.push(...differing.map((text) => (parts.length === 1 ? text : `${at + 1}: ${text}`)));
  }
  const now = Math.floor(Date.now() / 1000);
  if (Math.abs(claims.iat - now) > SKEW * 3 || claims.exp - claims.iat > 3600) found.push("the time of the statement is not now, or too long");
  return found;
}

/** The same for one object of a statement, and the place where the server shows it. */
async function inElement(claims, { said, detail }, { place, facts }, alone) {
  const found = [];
  const differ = (what, one, other) => {
    if (one !== other) found.push(`${what}: the statement says ${show(one)}, but ${show(other)} is`);
  };
  const shown = new Map();
  for (const fact of place.querySelectorAll("[data-fact]")) {
    if (shown.has(fact.dataset.fact)) found.push(`${fact.dataset.fact}: it is shown twice`);
    shown.set(fact.dataset.fact, fact.textContent);
  }
  for (const key of new Set([...said.keys(), ...shown.keys()])) {
    differ(LABELS[key] || key, said.get(key), shown.get(key));
  }
  differ("The object's name", detail.name, facts.object.name);
  differ("The object's namespace", detail.namespace ?? "", facts.object.namespace);
  differ("The object's uid", detail.identifier, facts.object.uid);
  if (alone) differ("The change request", claims.txn, facts.request);
  differ("Who signs", claims.iss, facts.principal);
  if (claims.exp - claims.iat > facts.lifetime) found.push("the statement holds for longer than it may");
  const now = Math.floor(Date.now() / 1000);
  if (Math.abs(now - facts.now) > SKEW) found.push("the clocks of this device and of the portal differ by more than a minute");
  return [...found, ...(await inImpact(detail, facts, place)), ...(await inChange(detail, facts, place))];
}

const show = (text) => (text === undefined ? "nothing" : JSON.stringify(text));

/** Hash what goes down with a namespace, as it is shown, and compare that with the statement's digest. */
async function inImpact(detail, facts, place) {
  const shown = Array.from(place.querySelectorAll("[data-item]"), (item) => item.textContent);
  if (detail.impact === undefined) return shown.length || facts.items.length ? ["the statement does not name what goes down"] : [];
  const found = [];
  if (JSON.stringify(shown) !== JSON.stringify(facts.items)) found.push("the objects that go down are shown otherwise");
  const lines = [...shown].sort().map((item) => `${item}\n`).join("");
  if (hex(await sha256(utf8(lines))) !== detail.impact.sha256) found.push("what goes down is not what the statement's digest is over");
  const counted = {};
  for (const item of shown) {
    const [group, resource] = item.split("/");
    const kind = detail.impact.counts[`${resource}.${group}`] === undefined ? resource : `${resource}.${group}`;
    counted[kind] = (counted[kind] || 0) + 1;
  }
  if (summary(counted) !== summary(detail.impact.counts)) found.push("the numbers of what goes down are not those of what is shown");
  return found;
}

/** Hash both states of a change, and apply the diff that is shown to the one: it must make the other. */
async function inChange(detail, facts, place) {
  const [diff, ...others] = place.querySelectorAll("[data-diff]");
  if (others.length) return ["more than one change is shown"];
  if (detail.change === undefined) return diff || detail.actions.includes("Change") ? ["the statement names no change"] : [];
  const found = [];
  if (hex(await sha256(utf8(facts.before))) !== detail.change.from) found.push("the object is not the one that the statement's first digest is over");
  if (hex(await sha256(utf8(facts.after))) !== detail.change.to) found.push("what is wanted is not what the statement's second digest is over");
  const shown = diff ? diff.textContent.replace(/\n$/, "").split("\n") : [];
  const made = patched(pretty(facts.before).split("\n"), shown);
  if (made === null || made.join("\n") !== wanted(facts.after)) found.push("what is shown as changed is not what is changed");
  return found;
}

/** What is wanted in lines: an object, or a list of that and of what somebody's next apply takes away by it. */
function wanted(json) {
  const lines = pretty(json).split("\n");
  if (json[0] !== "[") return lines.join("\n");
  const within = lines.slice(1, -1).map((line) => line.slice(2));
  const end = within.indexOf("},");
  return [...within.slice(0, end), "}", HEADING, ...within.slice(end + 1)].join("\n");
}

/** JSON in lines, each value as it is written: numbers are not read. What is not plain ASCII is escaped. */
function pretty(json) {
  let out = "";
  let depth = 0;
  const line = () => `\n${"  ".repeat(depth)}`;
  for (let at = 0; at < json.length; at += 1) {
    const character = json[at];
    if (character === '"') {
      const from = at;
      for (at += 1; json[at] !== '"'; at += 1) if (json[at] === "\\") at += 1;
      out += json.slice(from, at + 1);
    } else if ((character === "{" || character === "[") && (json[at + 1] === "}" || json[at + 1] === "]")) {
      out += json.slice(at, at + 2);
      at += 1;
    } else if (character === "{" || character === "[") {
      depth += 1;
      out += character + line();
    } else if (character === "}" || character === "]") {
      depth -= 1;
      out += line() + character;
    } else if (character === ",") out += character + line();
    else if (character === ":") out += ": ";
    else out += character;
  }
  return out.replace(/[^ -~\n]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** Lines after a unified diff was applied to them; null where it does not fit. */
function patched(lines, diff) {
  const made = [];
  let at = 0;
  for (const change of diff) {
    const place = /^@@ -(\d+)(?:,(\d+))? \+\d+(?:,\d+)? @@$/.exec(change);
    if (place) {
      const from = place[2] === "0" ? Number(place[1]) : Number(place[1]) - 1;
      if (from < at || from > lines.length) return null;
      while (at < from) made.push(lines[at++]);
    } else if (change[0] === "+") made.push(change.slice(1));
    else if (change[0] === "-" || change[0] === " ") {
      if (lines[at] !== change.slice(1)) return null;
      if (change[0] === " ") made.push(lines[at]);
      at += 1;
    } else return null;
  }
  return [...made, ...lines.slice(at)];
}

// One request's page.

function listOf(said) {
  const list = document.createElement("dl");
  for (const [key, text] of said) {
    const row = document.createElement("div");
    const label = document.createElement("dt");
    const value = document.createElement("dd");
    label.textContent = LABELS[key] || key;
    value.textContent = text;
    row.append(label, value);
    list.append(row);
  }
  return list;
}

/** Identifiers are folded where it is clear whose they are: of one object. */
function render(place, said, alone) {
  if (!alone) return place.replaceChildren(listOf(said));
  const summary = document.createElement("summary");
  summary.textContent = "Identifiers";
  const folded = document.createElement("details");
  folded.open = place.querySelector("details")?.open || false;
  folded.append(summary, listOf(said.filter(([key]) => IDENTIFIERS.includes(key))));
  place.replaceChildren(listOf(said.filter(([key]) => !IDENTIFIERS.includes(key))), folded);
}

const MOST_BYTES = 8192;
/** What a signature takes below its line, at the most. */
const SIGNATURE_BYTES = 1536;

/** The requests that the page shows, each with its place: one alone has the whole page. */
async function shownParts() {
  const places = [...document.querySelectorAll("[data-request]")];
  const names = places.length ? places.map((place) => place.dataset.request) : [$("signing").dataset.name];
  return Promise.all(names.map(async (name, at) => {
    const path = `/requests/${name}`;
    return { name, path, place: places[at] || document, facts: await ask(`${path}/facts`) };
  }));
}

async function request() {
  const signing = $("signing");
  if (!signing) return;
  const button = $("approve");
  const parts = await shownParts();
  if (!parts.every(({ facts }) => facts.statement)) throw new Error("What there is to sign has just changed. Reload the page.");
  const draft = (reason) => completed(parts, reason, Math.floor(Date.now() / 1000));
  const show = (line) => {
    const { claims, elements } = told(line);
    const until = new Date(claims.exp * 1000).toLocaleTimeString();
    const rows = elements.flatMap(({ said }, at) => [
      ...(elements.length > 1 ? [["Object", `${at + 1} of ${elements.length}`]] : []),
      ...Object.keys(LABELS).filter((key) => said.has(key)).map((key) => [key, said.get(key)]),
    ]);
    render($("signed"), [...rows, ["Signed by", claims.iss], ["Your reason", claims.reason], ["Holds until", until]], parts.length === 1);
    $("statement").textContent = new TextDecoder().decode(line);
  };
  /** What was said stays where the button was. */
  const close = () => {
    signing.before($("said"), $("trouble"));
    signing.remove();
  };
  const refuse = (found) => {
    if (signing.contains($("trouble"))) close();
    else signing.remove();
    complain("What is shown and what would be signed are not the same. Nothing is signed here. Tell whoever looks after Seconder.", found);
  };
  let line;
  try {
    line = draft("...");
    show(line);
    const found = await disagreements(line, parts);
    if (found.length) return refuse(found);
  } catch (error) {
    return refuse([error.message]);
  }
  button.disabled = false;
  $("reason").addEventListener("input", () => {
    line = draft($("reason").value.trim() || "...");
    show(line);
  });
  button.addEventListener("click", () => attempt(button, async () => {
    const reason = $("reason").value.trim();
    if (!reason || reason.length > 256 || !PRINTABLE.test(reason)) {
      $("reason").focus();
      throw new Error("Give a reason first, in one line.");
    }
    line = draft(reason);
    show(line);
    const differing = await disagreements(line, parts);
    if (differing.length) return refuse(differing);
    if (line.length > MOST_BYTES - SIGNATURE_BYTES) throw new Error("That is too much for one signature. Choose fewer requests, or give a shorter reason.");
    say("Waiting for your passkey ...");
    const response = await assertion(await challengeFor(line), remembered());
    say("Signed. Handing it on ...");
    const value = new TextDecoder().decode(line) + armored(unbase64(parts[0].facts.key), signature(response));
    if (parts.length === 1) {
      await ask(`${parts[0].path}/approval`, { value });
      await follow(parts[0].path, (status) => status.counted, counted);
    } else await handOn(parts, value);
    close();
    $("said").focus();
  }));
}

/** Hand one signature on for each of several requests. What one does not take keeps no other from its own. */
async function handOn(parts, value) {
  const failed = [];
  for (const { name, path } of parts) {
    try {
      await ask(`${path}/approval`, { value });
    } catch (error) {
      failed.push({ name, text: `${name}: ${words(error)}` });
    }
  }
  const taken = parts.filter(({ name }) => !failed.some((one) => one.name === name));
  let counting = 0;
  for (const { path } of taken) {
    if (await shows(path, (status) => status.counted)) counting += 1;
  }
  say(`Your approval counts for ${counting} of ${parts.length} requests.`);
  if (failed.length) complain(`Your approval counts for ${counting} of ${parts.length} requests. These did not take it:`, failed.map(({ text }) => text));
}

/** Wait until the cluster shows that something holds of a request; its status, or nothing where it takes too long. */
async function shows(path, holds) {
  for (let turn = 0; turn < 60; turn += 1) {
    const status = await ask(`${path}/status`);
    if (holds(status)) return status;
    await new Promise((resolve) => setTimeout(resolve, turn < 10 ? 150 : 1000));
  }
  return undefined;
}

/** The list: what is checked is shown on one page. The page says what cannot be signed for together. */
function choosing() {
  const button = $("together");
  if (!button) return;
  const chosen = () => [...document.querySelectorAll("input[name=together]:checked")].map((box) => box.value);
  button.addEventListener("click", () => {
    const names = chosen();
    if (names.length < 2) complain("Choose two requests or more first.");
    else if (names.length > Number(button.dataset.most)) complain(`One signature is for at most ${button.dataset.most} requests: choose fewer.`);
    else location.assign(`/together?${new URLSearchParams(names.map((name) => ["name", name]))}`);
  });
}

function answering() {
  const refusing = $("refusing");
  if (!refusing) return;
  const path = `/requests/${refusing.dataset.name}`;
  $("deny").addEventListener("click", () => attempt($("deny"), async () => {
    const reason = $("why").value.trim();
    if (!reason) {
      $("why").focus();
      throw new Error("Say why not first: whoever asked reads it.");
    }
    await ask(`${path}/denial`, { reason });
    await follow(path, (status) => status.denied, () => "Your no stands on it, with your reason.");
    $("take-back").hidden = false;
  }));
  $("take-back").addEventListener("click", () => attempt($("take-back"), async () => {
    await ask(`${path}/denial`, { reason: null });
    await follow(path, (status) => !status.denied, () => "Your no is taken back.");
    $("take-back").hidden = true;
  }));
}

function counted(status) {
  const enough = status.phase === "Approved" ? "Whoever asked can go on." : "It takes more peers.";
  return `Your approval counts: ${status.progress} approved. ${enough}`;
}

/** Wait until the cluster shows what was done, and say so. */
async function follow(path, done, sentence) {
  const status = await shows(path, (found) => {
    $("phase").textContent = found.phase;
    $("progress").textContent = found.progress;
    return done(found);
  });
  if (!status) return say("It was handed on. The cluster has not shown it yet; reload the page in a while.");
  say(sentence(status));
  $("said").focus();
}

function start() {
  const out = $("sign-out");
  if (out) {
    out.addEventListener("click", () => attempt(out, async () => {
      await ask("/sign-out", {});
      location.assign("/sign-in");
    }));
  }
  if (page.page === "sign-in") $("sign-in").addEventListener("click", () => attempt($("sign-in"), () => signIn($("sign-in"))));
  if (page.page === "enroll") {
    const before = JSON.parse(localStorage.getItem(MADE) || "null");
    if (before) showMade(before.principal, before.line).then(() => say("You have made a passkey in this browser. Another one takes its place."));
    $("enroll").addEventListener("submit", (event) => {
      event.preventDefault();
      attempt(event.submitter || $("enroll").querySelector("button"), enroll);
    });
    $("copy").addEventListener("click", () => attempt($("copy"), async () => {
      await navigator.clipboard.writeText($("line").value);
      say("Copied.");
    }));
  }
  if (page.page === "list") choosing();
  if (page.page === "together") request().catch((error) => complain(words(error)));
  if (page.page === "request") {
    answering();
    request().catch((error) => complain(words(error)));
  }
}

start();
