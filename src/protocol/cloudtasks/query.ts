/** Shared with the other faces of JSON. */
export * from "../query.ts";
