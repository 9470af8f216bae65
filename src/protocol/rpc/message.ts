/**
 * Messages on the wire. The codec is the library's; what proto2 asks for and it leaves out is seen
 * to here: a message is looked through before it is decoded, so that nothing is decoded that lacks a
 * required field, does not fit its type, or would take more memory than its bytes let one expect.
 */
import {
  create,
  type DescEnum,
  type DescField,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  ScalarType,
  toBinary,
} from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";

/**
 * Fields in a message, those of its parts included: 32 MB can spell sixteen million empty ones, each
 * an object once it is decoded. A hundred tasks with fifty headers each have about 16,000.
 */
const MAX_FIELDS = 100_000;
/** Groups within unknown groups, which are skipped. */
const MAX_UNKNOWN_DEPTH = 32;

/** A message, or why it cannot be read: `tooLarge` where it has too many fields. */
export type ReadMessage<D extends DescMessage> =
  | { readonly ok: true; readonly value: MessageShape<D> }
  | { readonly ok: false; readonly problem: string; readonly tooLarge: boolean };

/** Decodes a message that is complete and well formed; never throws. */
export function readMessage<D extends DescMessage>(schema: D, bytes: Uint8Array): ReadMessage<D> {
  try {
    new Survey(bytes).message(schema, bytes.length);
    return { ok: true, value: fromBinary(schema, bytes, { readUnknownFields: false }) };
  } catch (error) {
    // The library tells malformed input by errors of no class of their own.
    const problem = error instanceof Error ? error.message : String(error);
    return { ok: false, problem, tooLarge: error instanceof TooManyFields };
  }
}

/** Encodes a message; what is missing of it is a bug. */
export function writeMessage<D extends DescMessage>(
  schema: D,
  value: MessageInitShape<D>,
): Uint8Array {
  return toBinary(schema, create(schema, value));
}

class TooManyFields extends Error {}

/** Goes through a message without building anything. */
class Survey {
  readonly #reader: BinaryReader;
  #fields = 0;

  constructor(bytes: Uint8Array) {
    this.#reader = new BinaryReader(bytes);
  }

  /** A message that ends at a position. */
  message(desc: DescMessage, end: number): void {
    const missing = new Set(requiredOf(desc));
    while (this.#reader.pos < end) {
      const [number, wireType] = this.#reader.tag();
      this.#field(desc, number, wireType, end);
      missing.delete(number);
    }
    if (this.#reader.pos !== end) throw new Error(`${desc.name} is longer than its length says`);
    complain(desc, missing);
  }

  /** A group: it ends with a mark of its own, before `end`. */
  #group(desc: DescMessage, groupNumber: number, end: number): void {
    const missing = new Set(requiredOf(desc));
    for (;;) {
      if (this.#reader.pos >= end) throw new Error(`the group ${desc.name} does not end`);
      const [number, wireType] = this.#reader.tag();
      if (wireType === WireType.EndGroup) {
        if (number !== groupNumber) throw new Error(`the group ${desc.name} ends as another one`);
        break;
      }
      this.#field(desc, number, wireType, end);
      missing.delete(number);
    }
    complain(desc, missing);
  }

  #field(desc: DescMessage, number: number, wireType: WireType, end: number): void {
    this.#fields++;
    if (this.#fields > MAX_FIELDS) {
      throw new TooManyFields(`the message has more than ${MAX_FIELDS} fields`);
    }
    const field = fieldsOf(desc).get(number);
    if (field === undefined) {
      this.#reader.skip(wireType, number, MAX_UNKNOWN_DEPTH);
    } else if (field.message !== undefined) {
      this.#part(field, field.message, wireType, end);
    } else {
      this.#plain(field, wireType, end);
    }
    if (this.#reader.pos > end) throw new Error(`${desc.name} ends within a field`);
  }

  #part(field: DescField, desc: DescMessage, wireType: WireType, end: number): void {
    const isGroup = "delimitedEncoding" in field && field.delimitedEncoding === true;
    expectType(field, wireType, isGroup ? WireType.StartGroup : WireType.LengthDelimited);
    if (isGroup) {
      this.#group(desc, field.number, end);
      return;
    }
    const partEnd = this.#reader.uint32() + this.#reader.pos;
    if (partEnd > end) throw new Error(`${field.name} is cut off`);
    this.message(desc, partEnd);
  }

  #plain(field: DescField, wireType: WireType, end: number): void {
    const expected = wireTypeOf(field);
    if (field.fieldKind === "list" && wireType !== expected && wireType === LENGTH) {
      const listEnd = this.#reader.uint32() + this.#reader.pos;
      if (listEnd > end) throw new Error(`${field.name} is cut off`);
      while (this.#reader.pos < listEnd) {
        this.#fields++;
        this.#value(field, expected);
      }
      return;
    }
    expectType(field, wireType, expected);
    this.#value(field, expected);
  }

  #value(field: DescField, wireType: WireType): void {
    if (field.enum === undefined) this.#reader.skip(wireType);
    else checkEnum(field.enum, this.#reader.int32());
  }
}

const LENGTH = WireType.LengthDelimited;

/** A value that the enum does not have would count as absent, and the default take its place. */
function checkEnum(desc: DescEnum, number: number): void {
  if (desc.value[number] === undefined) throw new Error(`${desc.name} has no value ${number}`);
}

function expectType(field: DescField, given: WireType, expected: WireType): void {
  if (given !== expected) {
    throw new Error(`${field.name} has wire type ${given}, not ${expected}`);
  }
}

function complain(desc: DescMessage, missing: ReadonlySet<number>): void {
  for (const number of missing) {
    throw new Error(`${desc.name} lacks its required field ${fieldsOf(desc).get(number)?.name}`);
  }
}

function wireTypeOf(field: DescField): WireType {
  switch (field.scalar) {
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return WireType.LengthDelimited;
    case ScalarType.DOUBLE:
    case ScalarType.FIXED64:
      return WireType.Bit64;
    default:
      return WireType.Varint;
  }
}

// ---- What is looked up of a schema, once ------------------------------------------------------

const fields = new WeakMap<DescMessage, ReadonlyMap<number, DescField>>();

function fieldsOf(desc: DescMessage): ReadonlyMap<number, DescField> {
  let known = fields.get(desc);
  if (known === undefined) {
    known = new Map(desc.fields.map((field) => [field.number, field]));
    fields.set(desc, known);
  }
  return known;
}

const required = new WeakMap<DescMessage, readonly number[]>();

function requiredOf(desc: DescMessage): readonly number[] {
  let known = required.get(desc);
  if (known === undefined) {
    known = desc.fields
      .filter(({ presence }) => presence === FeatureSet_FieldPresence.LEGACY_REQUIRED)
      .map(({ number }) => number);
    required.set(desc, known);
  }
  return known;
}
