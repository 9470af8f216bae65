/** The methods the catalogue of one project and location answers. */
import type { QueueRecord, QueueSettings, QueueState } from "../core/model.ts";
import type { SettingsPatch } from "../core/queue-settings.ts";
import type { DomainError, Result } from "../core/result.ts";
import type { SigningChange } from "../core/webhook-signing.ts";

export type InitialState = Exclude<QueueState, "DISABLED">;

/** Why a queue cannot be created: what createQueue would answer. */
export interface CreationObstacle {
  readonly queue: string;
  readonly error: DomainError;
}

export interface RegistryService {
  /**
   * A new queue, RUNNING unless another state is asked for. ALREADY_EXISTS; FAILED_PRECONDITION
   * when the name is tombstoned; RESOURCE_EXHAUSTED when the location is full.
   */
  createQueue(
    queue: string,
    settings: QueueSettings,
    state?: InitialState,
  ): Promise<Result<QueueRecord>>;
  /** What would keep these new queues from being created, all of them, as things stand now. */
  checkCreatable(queues: readonly string[]): Promise<readonly CreationObstacle[]>;
  /**
   * Patches the settings that the patch names, or creates the queue with it (discovery v2
   * queues.patch).
   */
  patchQueue(queue: string, patch: SettingsPatch): Promise<Result<QueueRecord>>;
  /**
   * Switches the signing of a queue's webhooks on or off, or gives it a new secret. NOT_FOUND;
   * FAILED_PRECONDITION for a pull queue.
   */
  changeSigning(queue: string, change: SigningChange): Promise<Result<QueueRecord>>;
  /** NOT_FOUND `Requested entity was not found.` when missing. */
  deleteQueue(queue: string): Promise<Result<null>>;
  pauseQueue(queue: string): Promise<Result<QueueRecord>>;
  resumeQueue(queue: string): Promise<Result<QueueRecord>>;
  purgeQueue(queue: string): Promise<Result<QueueRecord>>;
  /** Queues in lexicographic order, with ids above `after`; `more` says whether any follow. */
  listQueues(
    after: string,
    limit: number,
  ): Promise<{ readonly queues: readonly QueueRecord[]; readonly more: boolean }>;
}
