/** Figures of a queue. */
import type { CallOptions } from "./connection.ts";
import type { Queue } from "./queue.ts";

/** Figures as the server writes them. */
export interface WireStatistics {
  readonly tasks: number;
  readonly oldestEtaUs?: string;
  readonly executedLastMinute: number;
  readonly inFlight: number;
  readonly enforcedRate: number;
  readonly leasedLastMinute: number;
  readonly leasedLastHour: number;
}

/**
 * Figures of a queue, true at the moment they were read.
 *
 * @example
 * const [mail] = await QueueStatistics.fetch([connection.queue()]);
 * console.log(mail.tasks, mail.oldestEta, mail.enforcedRate);
 */
export class QueueStatistics {
  readonly queue: Queue;
  /** Tasks in the queue, leased and running ones included. */
  readonly tasks: number;
  /** The earliest ETA of any task, in microseconds since the epoch; undefined in an empty queue. */
  readonly oldestEtaUsec: number | undefined;
  /** Attempts of push tasks that ended in the last minute. */
  readonly executedLastMinute: number;
  /** Attempts that run now. */
  readonly inFlight: number;
  /** Tasks a second that may be sent now. */
  readonly enforcedRate: number;
  /** Leases given in the last minute. */
  readonly leasedLastMinute: number;
  /** Leases given in the last hour. */
  readonly leasedLastHour: number;

  constructor(queue: Queue, figures: WireStatistics) {
    this.queue = queue;
    this.tasks = figures.tasks;
    this.oldestEtaUsec =
      figures.oldestEtaUs === undefined ? undefined : Number(figures.oldestEtaUs);
    this.executedLastMinute = figures.executedLastMinute;
    this.inFlight = figures.inFlight;
    this.enforcedRate = figures.enforcedRate;
    this.leasedLastMinute = figures.leasedLastMinute;
    this.leasedLastHour = figures.leasedLastHour;
  }

  /** The earliest ETA of any task; undefined in an empty queue. */
  get oldestEta(): Date | undefined {
    return this.oldestEtaUsec === undefined
      ? undefined
      : new Date(Math.floor(this.oldestEtaUsec / 1000));
  }

  /** The figures of each queue, in their order. */
  static fetch(queues: Queue, options?: CallOptions): Promise<QueueStatistics>;
  static fetch(queues: readonly Queue[], options?: CallOptions): Promise<QueueStatistics[]>;
  static async fetch(
    queues: Queue | readonly Queue[],
    options: CallOptions = {},
  ): Promise<QueueStatistics | QueueStatistics[]> {
    if (!isList(queues)) return queues.fetchStatistics(options);
    return Promise.all(queues.map((queue) => queue.fetchStatistics(options)));
  }
}

function isList(queues: Queue | readonly Queue[]): queues is readonly Queue[] {
  return Array.isArray(queues);
}
