import { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import * as tf from '../../tf.js';
import { waitFor } from './dawn.js';
import { DeviceLost } from './device-lost.js';
import { buffersOf, layoutOf, mostGroups, sourceOf, type Kernel } from './kernel.js';

/** What tfjs's backend keeps to itself, as far as it is needed here. */
interface Inside {
  readonly commandEncoder: GPUCommandEncoder | null;
  computePassEncoder: GPUComputePassEncoder | null;
  readonly commandQueueOwnedIds: WeakSet<object>;
  makeUniforms(numbers: { type: 'uint32' | 'float32'; data: number[] }[]): GPUBindingResource;
}

/** What its manager of buffers keeps to itself. */
interface Buffers {
  readonly freeBuffers: Map<string, GPUBuffer[]>;
  numFreeBuffers: number;
  numBytesUsed: number;
  numBytesAllocated: number;
}

/** Longer than any window takes, also where a processor imitates a GPU. */
const patienceMs = 10 * 60_000;

/** Bytes of waiting buffers that are no matter. */
const fewBytes = 1 << 24;

/**
 * tfjs's WebGPU backend with what training wants of it beside: our own kernels, work that is handed over when we say so, memory that is used
 * again within a window, and tensors that can be read at once.
 */
export class GpuBackend extends WebGPUBackend {
  readonly #pipelines = new Map<string, { pipeline: GPUComputePipeline; layout: GPUBindGroupLayout }>();
  readonly #inside = this as unknown as Inside;
  #mostUsed = 0;
  #refused: string | undefined;
  #lost: string | undefined;
  /** What was handed over and may not be done yet. */
  readonly #underWay: Promise<unknown>[] = [];

  constructor(device: GPUDevice, info: GPUAdapterInfo) {
    super(device, info);
    device.onuncapturederror = ({ error }) => {
      this.#refused ??= error.message;
    };
    void device.lost.then(({ reason, message }) => {
      this.#lost ??= message === '' ? reason : message;
    });
  }

  /**
   * Records the work of a kernel.
   * @param tensors float32 or int32, by the names of its buffers
   * @param items what its threads do one each; or how many workgroups of how many threads there are
   */
  dispatch<Read extends string, Write extends string, Param extends string>(
    kernel: Kernel<Read, Write, Param>,
    tensors: Readonly<Record<Read | Write, tf.TensorInfo>>,
    params: Readonly<Record<Param, number>>,
    items: number | { readonly groups: number; readonly threads: number },
  ): void {
    const { groups, threads } =
      typeof items === 'number' ? { groups: Math.ceil(items / kernel.threads), threads: kernel.threads } : items;
    if (groups === 0) return;
    const named = tensors as Readonly<Record<string, tf.TensorInfo>>;
    const buffers = buffersOf(kernel).map((name) => this.#bufferOf(named[name]));
    const numbers = Object.entries(kernel.params as Kernel['params']).map(([name, type]) => ({
      type: type === 'u32' ? ('uint32' as const) : ('float32' as const),
      data: [(params as Readonly<Record<string, number>>)[name]],
    }));
    const uniforms = this.#inside.makeUniforms([{ type: 'uint32', data: [groups] }, ...numbers]);
    const { pipeline, layout } = this.#pipelineOf(kernel, threads);
    const resources = [...buffers.map((buffer) => ({ buffer })), uniforms];
    this.ensureCommandEncoderReady();
    const pass = (this.#inside.computePassEncoder ??= this.#inside.commandEncoder!.beginComputePass());
    pass.setPipeline(pipeline);
    pass.setBindGroup(
      0,
      this.device.createBindGroup({ layout, entries: resources.map((resource, binding) => ({ binding, resource })) }),
    );
    pass.dispatchWorkgroups(Math.min(groups, mostGroups), Math.ceil(groups / mostGroups));
  }

  /** A new tensor that holds whatever was in its memory before: kernels write all of it. */
  fresh<Rank extends tf.Rank = tf.Rank>(
    shape: readonly number[],
    dtype: 'float32' | 'int32' = 'float32',
  ): tf.Tensor<Rank> {
    return tf.engine().makeTensorFromTensorInfo(this.makeTensorInfo([...shape], dtype)) as tf.Tensor<Rank>;
  }

  /** Hands what has been recorded to the device, in one piece. */
  submit(): void {
    this.#check();
    if (this.#inside.commandEncoder !== null) {
      this.endComputePassEncoder();
      this.submitQueue();
    }
    this.#letUnusedGo();
  }

  /**
   * Hands over what has been recorded and waits until no more than `behind` of what was handed over before is still to do.
   * @throws DeviceLost where the device is gone, or has not answered for so long that it never will
   */
  async keepUp(behind: number): Promise<void> {
    this.submit();
    this.#underWay.push(this.queue.onSubmittedWorkDone());
    while (this.#underWay.length > behind) {
      const bound = Promise.withResolvers<'late'>();
      const timer = setTimeout(bound.resolve, patienceMs, 'late');
      const first = await Promise.race([this.#underWay[0], this.device.lost, bound.promise]);
      clearTimeout(timer);
      if (first === 'late') throw new DeviceLost(`it has not answered for ${patienceMs / 60_000} minutes`);
      void this.#underWay.shift();
      this.#check();
    }
  }

  /** What is recorded later runs later, so memory of a tensor that is gone can be used again at once. */
  override disposeData(dataId: tf.DataId, force = false): boolean {
    this.#inside.commandQueueOwnedIds.delete(dataId);
    return super.disposeData(dataId, force);
  }

  /** Reads from the device while all else stands still, and keeps no copy: kernels work in place. */
  override readSync(dataId: tf.DataId): ReturnType<WebGPUBackend['readSync']> {
    const { values, resource, dtype, shape } = this.tensorMap.get(dataId);
    if (shape.includes(0)) return new Float32Array(0);
    if (resource === undefined) return values; // it has not been needed on the device yet
    const source = resource as GPUBuffer;
    const staging = this.device.createBuffer({
      size: source.size,
      usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ,
    });
    this.ensureCommandEncoderReady();
    this.endComputePassEncoder();
    this.#inside.commandEncoder!.copyBufferToBuffer(source, 0, staging, 0, source.size);
    this.submit();
    let failed: string | undefined;
    staging.mapAsync(GPUMapMode.READ).then(undefined, (error: unknown) => {
      failed = String(error);
    });
    waitFor(() => staging.mapState !== 'pending');
    this.#check();
    if (staging.mapState !== 'mapped') throw new DeviceLost(failed ?? 'it does not answer');
    const bytes = staging.getMappedRange().slice(0);
    staging.destroy();
    return dtype === 'float32' ? new Float32Array(bytes) : new Int32Array(bytes);
  }

  override read(dataId: tf.DataId): Promise<Awaited<ReturnType<WebGPUBackend['read']>>> {
    return Promise.resolve(this.readSync(dataId));
  }

  /** @throws DeviceLost; Error where the device has refused something since it was last asked */
  #check(): void {
    if (this.#lost !== undefined) throw new DeviceLost(this.#lost);
    const refused = this.#refused;
    this.#refused = undefined;
    if (refused !== undefined) throw new Error(`the GPU refused work: ${refused}`);
  }

  #bufferOf(tensor: tf.TensorInfo): GPUBuffer {
    // Nothing cannot be bound, and a stand-in must be no other binding's buffer.
    const info = tensor.shape.includes(0) ? this.fresh([1]) : tensor;
    this.uploadToGPU(info.dataId);
    return this.tensorMap.get(info.dataId).resource as GPUBuffer;
  }

  #pipelineOf(kernel: Kernel, threads: number): { pipeline: GPUComputePipeline; layout: GPUBindGroupLayout } {
    const name = `${kernel.name} ${threads}`;
    let made = this.#pipelines.get(name);
    if (made === undefined) {
      const layout = this.device.createBindGroupLayout({ entries: layoutOf(kernel) });
      const pipeline = this.device.createComputePipeline({
        label: name,
        layout: this.device.createPipelineLayout({ bindGroupLayouts: [layout] }),
        compute: { module: this.device.createShaderModule({ label: name, code: sourceOf(kernel, threads) }) },
      });
      made = { pipeline, layout };
      this.#pipelines.set(name, made);
    }
    return made;
  }

  /** Buffers of sizes that occur no more, as of patterns before an update, would stay for ever. To be called when nothing is recorded. */
  #letUnusedGo(): void {
    const buffers = this.bufferManager as unknown as Buffers;
    this.#mostUsed = Math.max(this.#mostUsed, buffers.numBytesUsed);
    const unused = buffers.numBytesAllocated - buffers.numBytesUsed;
    if (unused <= 2 * this.#mostUsed + fewBytes) return;
    this.#mostUsed = buffers.numBytesUsed;
    for (const free of buffers.freeBuffers.values()) {
      for (const buffer of free.splice(0)) {
        buffers.numBytesAllocated -= buffer.size;
        buffers.numFreeBuffers -= 1;
        buffer.destroy();
      }
    }
  }
}
