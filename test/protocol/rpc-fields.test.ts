/** The generated messages are the ones of App Engine: every number, label, type and default. */
import { type DescEnum, type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { FieldDescriptorProto_Label as Label } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import { file_datastore_v3 } from "../../src/protocol/rpc/gen/datastore_v3_pb.js";
import { file_remote_api } from "../../src/protocol/rpc/gen/remote_api_pb.js";
import { file_taskqueue_service } from "../../src/protocol/rpc/gen/taskqueue_service_pb.js";
import { FIELDS } from "./rpc-fields.ts";

const generated: Record<string, string[]> = {};
for (const file of [file_taskqueue_service, file_remote_api, file_datastore_v3]) {
  file.messages.forEach(addMessage);
}

describe("the generated messages", () => {
  it("are as many as the original's", () => {
    expect(Object.keys(FIELDS).length).toBeGreaterThan(55);
    expect(Object.keys(generated).sort()).toEqual(Object.keys(FIELDS).sort());
  });

  it.each(Object.keys(FIELDS))("%s", (name) => expect(generated[name]).toEqual(FIELDS[name]));
});

function addMessage(desc: DescMessage): void {
  const fields = [...desc.fields].sort((a, b) => a.number - b.number);
  generated[desc.typeName] = fields.map(fieldLine);
  desc.nestedEnums.forEach(addEnum);
  desc.nestedMessages.forEach(addMessage);
}

function addEnum(desc: DescEnum): void {
  const values = [...desc.values].sort((a, b) => a.number - b.number);
  generated[desc.typeName] = values.map(({ number, name }) => `${number} ${name}`);
}

function fieldLine(field: DescField): string {
  const { label = Label.OPTIONAL, defaultValue } = field.proto;
  const isGroup = "delimitedEncoding" in field && field.delimitedEncoding;
  const scalar = field.scalar === undefined ? "" : ScalarType[field.scalar].toLowerCase();
  const type = field.message?.name ?? field.enum?.name ?? scalar;
  return (
    `${field.number} ${Label[label].toLowerCase()} ${isGroup ? "group " : ""}${type} ${field.name}` +
    (defaultValue ? ` = ${defaultValue}` : "")
  );
}
