"""A Django Channels server that refuses by close code: python3 -m daphne channels_app:application"""

import django
from django.conf import settings

settings.configure(SECRET_KEY="for nothing", ALLOWED_HOSTS=["*"], INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes"])
django.setup()

from channels.generic.websocket import AsyncWebsocketConsumer  # noqa: E402
from django.contrib.auth.models import AnonymousUser  # noqa: E402


class Room(AsyncWebsocketConsumer):
    async def connect(self):
        await self.accept()
        if self.scope["user"].is_anonymous:
            await self.close(code=4401)  # Channels 4.1 takes a reason too
            return
        await self.send("hello")


class Ada:
    is_anonymous = False


async def application(scope, receive, send):
    """In place of channels.auth.AuthMiddlewareStack, which has a database of users."""
    user = Ada() if b"user=ada" in scope["query_string"] else AnonymousUser()
    await Room.as_asgi()({**scope, "user": user}, receive, send)
