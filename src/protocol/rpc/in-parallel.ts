/** Calls to other objects side by side, a few at a time. */

/** Calls under way at once (platform.md §1: six connections). */
const WIDTH = 6;

/** One result for each item, in their order. The first failure is thrown. */
export async function inParallel<T, R>(
  items: readonly T[],
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  const rest = items.entries();
  const worker = async () => {
    for (const [index, item] of rest) results[index] = await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(WIDTH, items.length) }, worker));
  return results;
}
