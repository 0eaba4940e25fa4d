"""The document of one language's texts: its shape, and the templates that it stands for."""

from collections.abc import Iterable

from pydantic import Field, StrictInt

from outreach_service.documents.reading import StrictModel, Text, read
from outreach_service.domain.faults import Fault, InvalidDocument
from outreach_service.domain.templates import Catalogue, Template, lint
from outreach_service.domain.terms import Channel, Purpose


class TemplateDocument(StrictModel):
    """One text for one channel; `subject`, `body` and `params` may hold `{{ name }}` placeholders.

    WeChat and SMS need the provider's code of the approved text, e-mail needs a subject.
    """

    key: Text
    version: StrictInt = Field(ge=1)
    channel: Channel
    purpose: Purpose
    subject: str = ""
    body: str = Field(min_length=1)
    provider_template: str = ""
    params: dict[str, str] = Field(default_factory=dict)

    def to_domain(self, language: str) -> Template:
        return Template(language=language, **self.model_dump())


class TemplatesDocument(StrictModel):
    """All texts of one language."""

    language: Text
    templates: list[TemplateDocument]

    def to_domain(self) -> list[Template]:
        return [template.to_domain(self.language) for template in self.templates]


def read_templates(document: object) -> list[Template]:
    """The texts of one language from parsed JSON. Raises InvalidDocument with all faults of their
    shape, or, when they have none, with all that the lint finds."""
    templates = read(TemplatesDocument, document).to_domain()
    faults = [
        Fault(("templates", index, *fault.place), fault.problem)
        for index, template in enumerate(templates)
        for fault in lint(template)
    ]
    if faults:
        raise InvalidDocument(faults)
    return templates


def read_catalogue(documents: Iterable[object]) -> Catalogue:
    """A catalogue from parsed JSON documents, one a language.

    Raises InvalidDocument with the faults of all of them; each place begins with the language.
    """
    templates: list[Template] = []
    faults: list[Fault] = []
    for document in documents:
        try:
            templates += read_templates(document)
        except InvalidDocument as invalid:
            language = _language_of(document)
            faults += [Fault((language, *fault.place), fault.problem) for fault in invalid.faults]
    if faults:
        raise InvalidDocument(faults)
    return Catalogue({(each.key, each.channel, each.language): each for each in templates})


def _language_of(document: object) -> str:
    """The language that a document gives itself, `?` for one that gives none."""
    match document:
        case {"language": str(language)}:
            return language
    return "?"
