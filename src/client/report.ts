/** Tells errors to whom they are of interest. */

/** Has `onError` told of errors; what it throws itself is dropped, so that it can stop nothing. */
export function reporter<T>(
  onError: ((error: unknown, about?: T) => void) | undefined,
): (error: unknown, about?: T) => void {
  return (error, about) => {
    try {
      onError?.(error, about);
    } catch {
      // There is nobody else to tell.
    }
  };
}
