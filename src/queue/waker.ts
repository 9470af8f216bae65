/**
 * When a queue's object runs again. Far times are alarms, which survive anything and cost a row; near
 * ones are timers, which cost nothing, under a watchdog alarm. An alarm is written only when it is
 * earlier than the one that is known to be set.
 */

/** Up to here a timer serves: keeping the object in memory that long costs less than a row. */
const NEAR_US = 1e6;
/** While anything is due or under way an alarm comes at the latest after this. */
const WATCHDOG_MS = 25_000;
/** No alarm is set further off than this; it comes, finds nothing due, and is set again. */
const HORIZON_MS = 30 * 86_400_000;
/** An alarm this late is taken for lost. */
const STALE_MS = 5_000;

export class Waker {
  readonly #storage: DurableObjectStorage;
  readonly #wake: () => void;
  /** When the alarm is set to fire, milliseconds; null: none is set. */
  #alarmMs: number | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #timerUs = Number.POSITIVE_INFINITY;
  #held = false;

  constructor(storage: DurableObjectStorage, wake: () => void) {
    this.#storage = storage;
    this.#wake = wake;
  }

  /** Learns of the alarm that is set, once after a start. */
  async load(): Promise<void> {
    this.#alarmMs = await this.#storage.getAlarm();
  }

  /** The alarm fired: none is set now. */
  fired(): void {
    this.#alarmMs = null;
  }

  /** The storage was emptied, and the alarm with it. */
  forget(): void {
    this.#alarmMs = null;
    this.#clearTimer();
  }

  /** While held no alarm is written: the one that is running stands for it. */
  holdAlarms(held: boolean): void {
    this.#held = held;
  }

  /** Makes sure of an alarm within the watchdog's time, also while alarms are held. */
  guard(nowUs: number): void {
    const nowMs = Math.ceil(nowUs / 1000);
    this.#setEarlier(nowMs, nowMs + WATCHDOG_MS);
  }

  /** Makes sure the object runs at `wakeAtUs`, and soon enough while it is busy. */
  arm(nowUs: number, wakeAtUs: number, isBusy: boolean): void {
    const nowMs = Math.ceil(nowUs / 1000);
    const isNear = wakeAtUs <= nowUs + NEAR_US;
    this.#setTimer(nowUs, isNear ? wakeAtUs : Number.POSITIVE_INFINITY);
    let alarmMs = isNear ? Number.POSITIVE_INFINITY : Math.ceil(wakeAtUs / 1000);
    if (alarmMs !== Number.POSITIVE_INFINITY) alarmMs = Math.min(alarmMs, nowMs + HORIZON_MS);
    if (isBusy || isNear) alarmMs = Math.min(alarmMs, nowMs + WATCHDOG_MS);
    if (this.#held || alarmMs === Number.POSITIVE_INFINITY) return;
    this.#setEarlier(nowMs, alarmMs);
  }

  #setEarlier(nowMs: number, alarmMs: number): void {
    if (this.#alarmMs !== null && this.#alarmMs < nowMs - STALE_MS) this.#alarmMs = null;
    if (this.#alarmMs === null || alarmMs < this.#alarmMs) this.#setAlarm(alarmMs);
  }

  #setAlarm(alarmMs: number): void {
    this.#alarmMs = alarmMs;
    // Not awaited: it becomes durable with the turn's writes, before any answer leaves.
    void this.#storage.setAlarm(alarmMs);
  }

  #setTimer(nowUs: number, atUs: number): void {
    if (atUs === this.#timerUs) return;
    this.#clearTimer();
    if (atUs === Number.POSITIVE_INFINITY) return;
    this.#timerUs = atUs;
    const delayMs = Math.max(0, Math.ceil((atUs - nowUs) / 1000));
    this.#timer = setTimeout(() => {
      this.#clearTimer();
      this.#wake();
    }, delayMs);
  }

  #clearTimer(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#timerUs = Number.POSITIVE_INFINITY;
  }
}
