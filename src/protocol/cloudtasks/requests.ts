/** Request messages that are the same in every version of the interface. */
import * as field from "../message.ts";

/** Messages whose only field is bound to the path: pause, resume, purge. */
export const namedSchema = field.message("google.protobuf.Empty", { name: field.string() });

export const batchDeleteSchema = field.message("google.cloud.tasks.BatchDeleteTasksRequest", {
  parent: field.string(),
  names: field.repeated(field.string()),
  requestId: field.string(),
});

export const httpBodySchema = field.message("google.api.HttpBody", {
  contentType: field.string(),
  data: field.bytes(),
  extensions: field.outputOnly(),
});

/** The message form of a buffered body; see readBuffered. */
export const bufferSchema = field.message("google.cloud.tasks.BufferTaskRequest", {
  body: httpBodySchema,
});
