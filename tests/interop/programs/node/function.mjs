// The function that every language has here, for aws-lambda-ric: it does what its event says.
import { readFile } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";

if (process.env.FAIL_INIT) throw new RangeError("no init today");

process.on("SIGTERM", () => {
  console.log("asked to end");
  process.exit(0);
});

export const handler = async (event, context) => {
  console.log("to do: %s", event.do);
  switch (event.do) {
    case "echo":
      return event;
    case "tell":
      return {
        id: context.awsRequestId,
        arn: context.invokedFunctionArn,
        left: context.getRemainingTimeInMillis(),
        trace: process.env._X_AMZN_TRACE_ID,
      };
    case "meet": {
      const read = await readFile(event.gate, "utf8");
      return { id: context.awsRequestId, read };
    }
    case "fail":
      throw new RangeError("as asked");
    case "crash":
      return process.exit(7);
    case "sleep":
      return setTimeout(3_600_000);
    case "grow":
      return "x".repeat(event.size);
    default:
      throw new TypeError(event.do);
  }
};

// Sends the first half, and the second when the test opens the gate, a FIFO.
export const stream = awslambda.streamifyResponse(async (event, response) => {
  response.setContentType("text/plain");
  response.write("first, ");
  await readFile(event.gate);
  if (event.fail) throw new RangeError("as asked");
  response.end("second");
});
