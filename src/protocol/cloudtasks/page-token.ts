/**
 * Page tokens: base64url of JSON, opaque to callers. A token tells the place a list goes on from,
 * not a number of entries, so writes between pages neither repeat nor skip what was there all
 * along. It belongs to one list (parent and filter) and is valid for 2 hours (limits.md §3).
 */
import { fail, ok, type Result } from "../../core/result.ts";
import { readBytes, writeBytes } from "../wire.ts";

const LIFETIME_US = 2 * 3600 * 1e6;

/** Names the list a token belongs to: its kind, parent and filter. */
export type ListIdentity = readonly [kind: string, parent: string, filter: string];

/** Where a list goes on: plain JSON. */
export type Cursor = readonly (string | number)[];

interface Token {
  readonly list: ListIdentity;
  readonly issuedUs: number;
  readonly cursor: Cursor;
}

export function writePageToken(list: ListIdentity, cursor: Cursor, nowUs: number): string {
  const token: Token = { list, issuedUs: nowUs, cursor };
  return writeBytes(new TextEncoder().encode(JSON.stringify(token)))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}

/**
 * The cursor of a token; undefined for the first page (no token). INVALID_ARGUMENT when it is
 * damaged, older than 2 hours, or of another list.
 */
export function readPageToken(
  text: string | undefined,
  list: ListIdentity,
  cursorShape: readonly ("string" | "number")[],
  nowUs: number,
): Result<Cursor | undefined> {
  if (text === undefined || text === "") return ok(undefined);
  const token = decode(text);
  const isCursor =
    token?.cursor.length === cursorShape.length &&
    token.cursor.every((part, index) => typeof part === cursorShape[index]);
  if (token === undefined || !isCursor) return refuse("The page token is not valid.");
  if (nowUs - token.issuedUs > LIFETIME_US) {
    return refuse("The page token has expired. Page tokens are valid for 2 hours.");
  }
  const [kind, parent, filter] = list;
  if (token.list[0] !== kind || token.list[1] !== parent) {
    return refuse("The page token belongs to another list.");
  }
  if (token.list[2] !== filter) {
    return refuse("The filter must not change between the pages of a list.");
  }
  return ok(token.cursor);
}

function decode(text: string): Token | undefined {
  const bytes = readBytes(text);
  if (bytes === undefined) return undefined;
  try {
    const token = JSON.parse(new TextDecoder().decode(bytes)) as Partial<Token> | null;
    const isToken =
      Array.isArray(token?.list) && Array.isArray(token?.cursor) && Number.isFinite(token.issuedUs);
    return isToken ? (token as Token) : undefined;
  } catch {
    return undefined;
  }
}

function refuse(message: string): Result<never> {
  return fail("INVALID_ARGUMENT", message);
}
