// One scenario of the unmodified openai package; prints what it saw as one line of JSON.
// node client.mjs BASE_URL KEY SCENARIO
import OpenAI from "openai";

const [baseURL, apiKey, scenario] = process.argv.slice(2);
let calls = 0;
const counting = (url, init) => {
  calls += 1;
  return fetch(url, init);
};
const client = new OpenAI({ apiKey, baseURL, fetch: counting });
const prompt = "a large red circle on a blue background";

const signature = (b64) => Buffer.from(b64, "base64").subarray(1, 4).toString("latin1");

const scenarios = {
  image: async () => {
    const made = await client.images.generate({ prompt, size: "96x64", n: 2 });
    return {
      files: made.data.map((each) => signature(each.b64_json)),
      cost: made.usage.cost_microusd,
    };
  },
  stream: async () => {
    const stream = await client.images.generate({ prompt, size: "128x128", stream: true, partial_images: 2 });
    const events = [];
    for await (const event of stream) events.push(event.type);
    return { events };
  },
  error: async (text) => {
    try {
      await client.images.generate({ prompt: text ?? prompt });
      return { status: 200 };
    } catch (error) {
      return {
        name: error.constructor.name,
        status: error.status,
        code: error.code,
        requestId: error.requestID ?? null,
        stage: error.error?.moderation?.stage ?? null,
      };
    }
  },
  blocked: () => scenarios.error("a photo of a naked child"),
};

const seen = await scenarios[scenario]();
console.log(JSON.stringify({ ...seen, calls }));
