/** Bodies of requests, the same in every face: never more of one is read than may be kept. */

/** The body as bytes; undefined when it is over `max` bytes, of which no more is then read. */
export async function readBounded(request: Request, max: number): Promise<Uint8Array | undefined> {
  const declared = request.headers.get("content-length");
  if (declared !== null) {
    return Number(declared) > max ? undefined : new Uint8Array(await request.arrayBuffer());
  }
  return request.body === null ? new Uint8Array() : readStream(request.body, max);
}

/** A body of undeclared length is counted while it arrives. */
async function readStream(
  body: ReadableStream<Uint8Array>,
  max: number,
): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > max) return undefined;
    chunks.push(chunk);
  }
  return concatenate(chunks, size);
}

function concatenate(chunks: readonly Uint8Array[], size: number): Uint8Array {
  const whole = new Uint8Array(size);
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.length;
  }
  return whole;
}
