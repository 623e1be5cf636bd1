"""A FastAPI server that refuses by close code: python3 -m uvicorn fastapi_app:app"""

from fastapi import FastAPI, WebSocket

app = FastAPI()


async def is_member(socket: WebSocket) -> bool:
    return socket.query_params.get("user") == "ada"


@app.websocket("/ws")
async def ws(socket: WebSocket):
    await socket.accept()
    if not await is_member(socket):
        await socket.close(4403, "not_a_member;do=stop")
        return
    await socket.send_text("hello")
    await socket.receive()
