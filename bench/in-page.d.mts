export function watchPaint(): void;
export function longestScrollFrame(): Promise<number>;
export function stepsShown(boundMs: number): Promise<[step: number, time: number][]>;
