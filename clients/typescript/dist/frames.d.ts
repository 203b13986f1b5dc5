/** What a server says. */
export type Frame = {
    readonly type: "open";
} | {
    readonly type: "heartbeat";
} | {
    readonly type: "messages";
    readonly messages: readonly string[];
} | {
    readonly type: "close";
    readonly code: number;
    readonly reason: string;
};
/** The first letter tells what a frame is. What is none is ignored, as is the prelude of a response. */
export declare function parseFrame(text: string): Frame | undefined;
