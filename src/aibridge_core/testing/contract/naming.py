"""The storage contract: the names that filters can have, and whose they are.

Belongs here: models, clients, initiators. Never: the users of the gateway (`identity_contract`).
"""

from typing import Any

import attrs

from aibridge_core.records import Interception, InterceptionFilter, Page
from aibridge_core.testing.contract.base import ContractBase, StorageUnderTest, completed
from aibridge_core.testing.samples import ANN, BEN, Samples


class NamingContract(ContractBase):
    """What a page that offers filters asks the InterceptionStore for."""

    async def test_names(self, storage: StorageUnderTest, samples: Samples) -> None:
        """Models and clients are listed once each, in order of their characters, in flight or not."""
        for model, client in (("gpt-5", "Codex"), ("Zed", "zed"), ("claude", "Codex"), ("gpt-5", "Amp")):
            await completed(storage, samples, model=model, client=client)
        await storage.recorder.begin(samples.start(model="brand-new", client="Mux"))
        assert list(await storage.store.models(initiator_id=None, prefix="", page=Page())) == [
            "Zed",
            "brand-new",
            "claude",
            "gpt-5",
        ]
        assert list(await storage.store.clients(initiator_id=None, prefix="", page=Page())) == [
            "Amp",
            "Codex",
            "Mux",
            "zed",
        ]

    async def test_names_of_one_initiator(self, storage: StorageUnderTest, samples: Samples) -> None:
        """Names can be asked for one initiator's interceptions."""
        await completed(storage, samples, initiator=ANN, model="claude", client="Codex")
        await completed(storage, samples, initiator=BEN, model="gpt-5", client="Zed")
        await storage.recorder.begin(samples.start(initiator=BEN, model="o9", client="Mux"))
        assert list(await storage.store.models(initiator_id=BEN.id, prefix="", page=Page())) == ["gpt-5", "o9"]
        assert list(await storage.store.clients(initiator_id=BEN.id, prefix="", page=Page())) == ["Mux", "Zed"]
        assert list(await storage.store.models(initiator_id="nobody", prefix="", page=Page())) == []

    async def test_names_by_prefix(self, storage: StorageUnderTest, samples: Samples) -> None:
        """A prefix is a plain beginning: case counts, wildcards don't exist."""
        for model in ("gpt-5", "gpt-5-mini", "GPT-5", "gpt%5", "g", "claude", "gpu"):
            await completed(storage, samples, model=model)

        async def models(prefix: str, **page: Any) -> list[str]:
            return list(await storage.store.models(initiator_id=None, prefix=prefix, page=Page(**page)))

        assert await models("gpt") == ["gpt%5", "gpt-5", "gpt-5-mini"]
        assert await models("gpt%") == ["gpt%5"]
        assert await models("gpt_") == []
        assert await models("gpt", limit=1, offset=1) == ["gpt-5"]
        assert await models("", limit=2) == ["GPT-5", "claude"]
        assert await models("x") == []

    async def test_finding_an_initiator(self, storage: StorageUnderTest, samples: Samples) -> None:
        """Initiators are found by id, or by the username in their newest interception; the newest of several."""
        await completed(storage, samples, initiator=ANN)
        await completed(storage, samples, initiator=BEN)
        successor = attrs.evolve(BEN, id="0c000000-0000-4000-8000-00000000000c", username="ann")
        assert await storage.store.find_initiator(ANN.id) == ANN.id
        assert await storage.store.find_initiator("ann") == ANN.id
        assert await storage.store.find_initiator("ANN") is None
        await completed(storage, samples, initiator=successor)
        assert await storage.store.find_initiator("ann") == successor.id
        assert await storage.store.find_initiator(ANN.id) == ANN.id
        await completed(storage, samples, initiator=attrs.evolve(successor, username="anna"))
        assert await storage.store.find_initiator("ann") == ANN.id
        assert await storage.store.find_initiator("anna") == successor.id
        assert await storage.store.find_initiator("") is None

    async def test_the_trail_remembers_who_it_was(self, storage: StorageUnderTest, samples: Samples) -> None:
        """An interception shows its initiator as they were then, also after they changed their name."""
        before: Interception = await completed(storage, samples, initiator=ANN)
        await completed(storage, samples, initiator=attrs.evolve(ANN, username="anna", name="Anna"))
        found = await storage.store.list(InterceptionFilter(initiator_id=ANN.id), Page())
        assert [each.start.initiator.username for each in found] == ["anna", "ann"]
        assert found[1] == before
