/** Shared with the other faces of JSON. */
export * from "../json-body.ts";
