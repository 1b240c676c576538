// An agent, a tool, a model call, a thread and feedback through Lunary's own SDK.
import lunary from "lunary";

const weather = lunary.wrapTool(async (city) => `sunny in ${city}`, { name: "weather" });
const model = lunary.wrapModel(
  async (city) => ({
    content: await weather(city),
    usage: { prompt: 1000, completion: 100 },
  }),
  {
    nameParser: () => "gpt-4o-mini",
    inputParser: (city) => [{ role: "user", content: `What is the weather in ${city}?` }],
    outputParser: (answer) => ({ role: "assistant", content: answer.content }),
    tokensUsageParser: async (answer) => answer.usage,
  },
);
const plan = lunary.wrapAgent(async (city) => (await model(city)).content, {
  name: "planner",
  userId: "ada",
  tags: ["e2e"],
});

await plan("Paris");
const thread = lunary.openThread({ id: "thread-1", userId: "ada" });
const message = thread.trackMessage({ role: "user", content: "Hello?" });
thread.trackMessage({ role: "assistant", content: "Yes?" });
lunary.trackFeedback(message, { thumb: "up" });
await lunary.flush();
