"""An agent, a tool, a model call, a thread and feedback through Lunary's own SDK."""

import sys
import uuid

import lunary

call = str(uuid.uuid4())


@lunary.tool(name="weather")
def weather(city: str) -> str:
    return f"sunny in {city}"


@lunary.agent(name="planner", user_id="ada", tags=["e2e"])
def plan(city: str) -> str:
    lunary.track_event(
        "llm",
        "start",
        run_id=call,
        name="gpt-4o-mini",
        input=[{"role": "user", "content": f"What is the weather in {city}?"}],
        params={"temperature": 0.2},
    )
    said = weather(city)
    lunary.track_event(
        "llm",
        "end",
        run_id=call,
        output={"role": "assistant", "content": said},
        token_usage={"prompt": 1000, "completion": 100},
    )
    return said


plan("Paris")
lunary.track_feedback(call, {"thumb": "up"})
thread = lunary.open_thread(id="thread-1", user_id="ada")
message = thread.track_message({"role": "user", "content": "Hello?"})
thread.track_message({"role": "assistant", "content": "Yes?"})
if len(sys.argv) > 1:
    lunary.score(sys.argv[1], "quality", 0.5, "so so")
