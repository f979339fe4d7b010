// Submits an intent, pauses and resumes its campaign and reads its timeline, as a backend written for node would.
// Usage: node client.js PROTOS CA TOKEN GATE CONTROL AUDIT
"use strict";
const assert = require("node:assert");
const fs = require("node:fs");
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");

const [protos, ca, token, gateAddress, controlAddress, auditAddress] = process.argv.slice(2);
const files = ["gate/v1/gate.proto", "control/v1/control.proto", "audit/v1/timeline.proto"];
const definition = loader.loadSync(files.map((file) => `whatlead/${file}`), {
  includeDirs: [protos], keepCase: true, enums: String, longs: String, defaults: true, oneofs: true,
});
const { whatlead } = grpc.loadPackageDefinition(definition);
const credentials = grpc.credentials.combineChannelCredentials(
  grpc.credentials.createSsl(fs.readFileSync(ca)),
  grpc.credentials.createFromMetadataGenerator((_, done) => {
    const metadata = new grpc.Metadata();
    metadata.set("authorization", `Bearer ${token}`);
    done(null, metadata);
  }),
);

const call = (client, method, request) =>
  new Promise((resolve, reject) => {
    const deadline = Date.now() + 20_000;
    client[method](request, { deadline }, (error, answer) => (error ? reject(error) : resolve(answer)));
  });

async function main() {
  const gate = new whatlead.gate.v1.GateService(gateAddress, credentials);
  const control = new whatlead.control.v1.ControlService(controlAddress, credentials);
  const timelines = new whatlead.audit.v1.TimelineService(auditAddress, credentials);
  const run = `node-${Date.now()}`;
  const intent = {
    request_id: run, campaign_id: run, category: "CATEGORY_UTILITY", recipient: "+5511987650001",
    template: { name: "boas_vindas_v2", language: "pt_BR" }, hold_if_paused: true,
  };

  const paused = await call(control, "Pause", {
    request_id: run, scope: "SCOPE_CAMPAIGN", target: run, reason: "interop",
  });
  assert.equal(paused.control.state, "CONTROL_STATE_FENCED");
  const { submitted } = await call(gate, "SubmitIntent", { intent });
  assert.equal(submitted.decision.outcome, "OUTCOME_QUEUED");
  assert.equal(submitted.decision.reason, "OPS_PAUSED");
  await call(control, "Resume", {
    request_id: run, control_ids: [paused.control.control_id], etag: paused.control.etag, reason: "interop",
    immediate: {},
  });

  let life;
  for (let tries = 0; tries < 100; tries += 1) {
    life = await call(timelines, "GetMessageIntentTimeline", { intent_id: submitted.intent_id }).catch((error) => {
      if (error.code !== grpc.status.NOT_FOUND) throw error;
    });
    if (life?.standing === "STANDING_SENT") break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.equal(life?.standing, "STANDING_SENT");
  const types = life.entries.map((entry) => entry.event.type);
  assert(types.includes("EVENT_TYPE_MESSAGE_QUEUED") && types.includes("EVENT_TYPE_MESSAGE_SENT"), types.join());

  await assert.rejects(call(gate, "SubmitIntent", { intent: { ...intent, campaign_id: "no spaces" } }), {
    code: grpc.status.INVALID_ARGUMENT,
  });
  console.log(`node: ${life.answer}`);
  for (const client of [gate, control, timelines]) client.close();
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
