// A site's backend, as small as it can be: it knows who the customer is, and hands her requests on to `moments onsite`. Node's own modules
// suffice.
//
//     MOMENTS=http://127.0.0.1:9467 node backend.js
//
// | variable | what it is |
// |---|---|
// | `MOMENTS` | where `moments onsite` listens |
// | `MOMENTS_TOKEN` | its token, where it has one |
// | `COLLECTOR` | what takes events and brings them to Kafka; without it they are printed |
// | `PORT` | where this one listens; 0: on any that is free, and it says which |

import { randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { createServer } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";

const MOMENTS = process.env.MOMENTS ?? "http://127.0.0.1:9467";
const TOKEN = process.env.MOMENTS_TOKEN;
const COLLECTOR = process.env.COLLECTOR;
const BODY_BYTES = 16 * 1024;
/** What a page may say that she did. */
const EVENTS = ["Page Viewed", "Product Viewed", "Product Added"];
const FILES = {
  "/": ["page/index.html", "text/html; charset=utf-8"],
  "/moments-onsite.js": ["src/moments-onsite.js", "text/javascript; charset=utf-8"],
};

/** Who she is. Here stands your own session: whoever can choose the id can see what is somebody else's. */
function customerOf(request) {
  const cookie = /(?:^|;\s*)visitor=([\w-]+)/.exec(request.headers.cookie ?? "");
  return cookie?.[1];
}

async function bodyOf(request) {
  const parts = [];
  let size = 0;
  for await (const part of request) {
    size += part.length;
    if (size > BODY_BYTES) {
      throw Object.assign(new Error("too large"), { status: 413 });
    }
    parts.push(part);
  }
  return Buffer.concat(parts);
}

/** Hands a request on to `moments onsite`, and its answer back as it comes. */
async function handOn(request, response, path) {
  const left = new AbortController();
  response.on("close", () => left.abort());
  const isPost = request.method === "POST";
  const answer = await fetch(`${MOMENTS}${path}`, {
    method: request.method,
    headers: {
      ...(isPost && { "content-type": "application/json" }),
      ...(TOKEN && { authorization: `Bearer ${TOKEN}` }),
    },
    body: isPost ? await bodyOf(request) : undefined,
    signal: left.signal,
  });
  const kept = ["retry-after", "x-accel-buffering"].filter((name) => answer.headers.has(name));
  response.writeHead(answer.status, {
    "content-type": answer.headers.get("content-type") ?? "text/plain",
    "cache-control": "no-store",
    ...Object.fromEntries(kept.map((name) => [name, answer.headers.get(name)])),
  });
  response.flushHeaders();
  if (answer.body) {
    await pipeline(Readable.fromWeb(answer.body), response);
  } else {
    response.end();
  }
}

/** An event of hers, from the page: by her id, and no other's. */
async function collect(request, response, customer) {
  const { event: name, messageId, properties } = JSON.parse(await bodyOf(request));
  if (!EVENTS.includes(name)) {
    return response.writeHead(400).end();
  }
  const timestamp = new Date().toISOString();
  const event = { type: "track", event: name, messageId, properties, anonymousId: customer, timestamp };
  if (COLLECTOR) {
    const taken = await fetch(COLLECTOR, { method: "POST", body: JSON.stringify(event) });
    response.writeHead(taken.ok ? 202 : 502).end();
  } else {
    console.log(JSON.stringify(event));
    response.writeHead(202).end();
  }
}

async function answer(request, response) {
  const { pathname } = new URL(request.url, "http://site");
  const customer = customerOf(request);
  const file = FILES[pathname];
  if (request.method === "GET" && file) {
    const headers = { "content-type": file[1] };
    if (!customer) {
      headers["set-cookie"] = `visitor=${randomUUID()}; Path=/; HttpOnly; SameSite=Lax; Max-Age=31536000`;
    }
    response.writeHead(200, headers);
    return pipeline(createReadStream(fileURLToPath(new URL(file[0], import.meta.url))), response);
  }
  if (!customer) {
    return response.writeHead(401).end();
  }
  const hers = `/v1/customers/${encodeURIComponent(customer)}/treatments`;
  if (request.method === "GET" && pathname === "/moments/stream") {
    return handOn(request, response, `${hers}/stream`);
  }
  // A page of somebody else's may not report for her.
  const { origin, host } = request.headers;
  const isOurs = !origin || (URL.canParse(origin) && new URL(origin).host === host);
  if (request.method === "POST" && isOurs) {
    const report = /^\/moments\/([0-9a-f-]{36})\/(shown|clicked|dismissed|answered)$/.exec(pathname);
    if (report) {
      return handOn(request, response, `${hers}/${report[1]}/${report[2]}`);
    }
    if (pathname === "/event") {
      return collect(request, response, customer);
    }
  }
  return response.writeHead(404).end();
}

const server = createServer((request, response) => {
  answer(request, response).catch((error) => {
    if (response.headersSent) {
      response.destroy();
    } else {
      response.writeHead(error.status ?? 502).end();
    }
  });
});
server.listen(Number(process.env.PORT ?? 8000), "127.0.0.1", () => {
  console.log(`http://127.0.0.1:${server.address().port}/`);
});
