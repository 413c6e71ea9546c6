"""The words of the phrasebook: pairs of French and English words, with their irregular forms."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Noun:
    """A noun.

    Attributes:
        french, english: the singular forms.
        gender: ``m`` or ``f``.
        counted: it has a plural; False for mass nouns (« du pain ») and unique relatives (« ma mère »).
        irregular: the English plural, if it is irregular.
    """

    french: str
    english: str
    gender: str
    counted: bool = True
    irregular: str = ""

    @property
    def feminine(self) -> bool:
        """Whether determiners and adjectives take their feminine form."""
        return self.gender == "f"


@dataclass(frozen=True)
class Adjective:
    """An adjective.

    Attributes:
        masculine, feminine: the singular forms.
        english: the English word.
        before_vowel: the masculine singular before a vowel, if it differs (« un bel hôtel »).
        precedes: it precedes the French noun.
        comparative: the English comparative, if it is used.
    """

    masculine: str
    feminine: str
    english: str
    before_vowel: str = ""
    precedes: bool = False
    comparative: str = ""


@dataclass(frozen=True)
class Verb:
    """A verb, with its six French present forms from « je » to « ils ».

    Attributes:
        infinitive, present, participle: the French forms.
        base, past: the English forms; a particle follows the base after a space ("look for").
        with_etre: its past takes « être » and the participle agrees with the subject.
        progressive: its French present is an English progressive ("are you waiting").
        objects: nouns that it takes as its object.
    """

    infinitive: str
    present: tuple[str, ...]
    participle: str
    base: str
    past: str
    with_etre: bool = False
    progressive: bool = False
    objects: tuple[Noun, ...] = ()


def _verb(
    french: str,
    english: str,
    objects: tuple[Noun, ...] = (),
    with_etre: bool = False,
    progressive: bool = False,
) -> Verb:
    """A verb from « infinitive participle je tu il nous vous ils » and "base/past"."""
    infinitive, participle, *present = french.split()
    base, past = english.split("/")
    return Verb(infinitive, tuple(present), participle, base, past, with_etre, progressive, objects)


def _regular(
    infinitive: str,
    english: str,
    objects: tuple[Noun, ...] = (),
    with_etre: bool = False,
    progressive: bool = False,
) -> Verb:
    """A verb of the first group without changes in its stem."""
    stem = infinitive.removesuffix("er")
    present = " ".join(stem + ending for ending in ("e", "es", "e", "ons", "ez", "ent"))
    return _verb(f"{infinitive} {stem}é {present}", english, objects, with_etre, progressive)


PEOPLE = (
    Noun("ami", "friend", "m"),
    Noun("amie", "friend", "f"),
    Noun("voisin", "neighbour", "m"),
    Noun("voisine", "neighbour", "f"),
    Noun("professeur", "teacher", "m"),
    Noun("étudiante", "student", "f"),
    Noun("enfant", "child", "m", irregular="children"),
)
STRANGERS = (
    Noun("homme", "man", "m", irregular="men"),
    Noun("dame", "lady", "f"),
    Noun("médecin", "doctor", "m"),
)
FAMILY = (
    Noun("frère", "brother", "m"),
    Noun("sœur", "sister", "f"),
    Noun("oncle", "uncle", "m"),
    Noun("tante", "aunt", "f"),
    Noun("père", "father", "m", counted=False),
    Noun("mère", "mother", "f", counted=False),
)
FOOD = (
    Noun("pomme", "apple", "f"),
    Noun("orange", "orange", "f"),
    Noun("gâteau", "cake", "m"),
    Noun("œuf", "egg", "m"),
    Noun("pain", "bread", "m", counted=False),
    Noun("soupe", "soup", "f", counted=False),
)
DRINKS = (
    Noun("eau", "water", "f", counted=False),
    Noun("lait", "milk", "m", counted=False),
    Noun("thé", "tea", "m", counted=False),
)
TEXTS = (
    Noun("livre", "book", "m"),
    Noun("lettre", "letter", "f"),
    Noun("histoire", "story", "f"),
    Noun("article", "article", "m"),
)
CLOTHES = (
    Noun("robe", "dress", "f"),
    Noun("chapeau", "hat", "m"),
    Noun("chemise", "shirt", "f"),
    Noun("écharpe", "scarf", "f", irregular="scarves"),
)
THINGS = (
    Noun("clé", "key", "f"),
    Noun("sac", "bag", "m"),
    Noun("montre", "watch", "f"),
    Noun("couteau", "knife", "m", irregular="knives"),
    Noun("parapluie", "umbrella", "m"),
)
VEHICLES = (Noun("voiture", "car", "f"), Noun("vélo", "bicycle", "m"))
HOMES = (Noun("maison", "house", "f"), Noun("appartement", "flat", "m"))
ANIMALS = (Noun("chat", "cat", "m"), Noun("chien", "dog", "m"), Noun("oiseau", "bird", "m"))
OPENINGS = (Noun("porte", "door", "f"), Noun("fenêtre", "window", "f"), Noun("boîte", "box", "f"))
SHOWS = (Noun("film", "film", "m"), Noun("match", "match", "m"))
PLACES = (
    Noun("marché", "market", "m"),
    Noun("gare", "station", "f"),
    Noun("école", "school", "f"),
    Noun("hôtel", "hotel", "m"),
    Noun("hôpital", "hospital", "m"),
    Noun("bibliothèque", "library", "f"),
    Noun("musée", "museum", "m"),
    Noun("plage", "beach", "f"),
)
SPOTS = (
    Noun("jardin", "garden", "m"),
    Noun("cuisine", "kitchen", "f"),
    Noun("chambre", "bedroom", "f"),
    Noun("rue", "street", "f"),
)

COLOURS = (
    Adjective("rouge", "rouge", "red"),
    Adjective("vert", "verte", "green"),
    Adjective("blanc", "blanche", "white"),
    Adjective("noir", "noire", "black"),
    Adjective("bleu", "bleue", "blue"),
)
FUR_COLOURS = COLOURS[2:4]
SIZES = (
    Adjective("petit", "petite", "small", precedes=True),
    Adjective("beau", "belle", "beautiful", before_vowel="bel", precedes=True),
    Adjective("vieux", "vieille", "old", before_vowel="vieil", precedes=True),
    Adjective("nouveau", "nouvelle", "new", before_vowel="nouvel", precedes=True),
)
MOODS = (
    Adjective("fatigué", "fatiguée", "tired"),
    Adjective("heureux", "heureuse", "happy"),
    Adjective("malade", "malade", "ill"),
    Adjective("prêt", "prête", "ready"),
    Adjective("inquiet", "inquiète", "worried"),
    Adjective("seul", "seule", "alone"),
    Adjective("furieux", "furieuse", "furious"),
)
TRAITS = (
    Adjective("grand", "grande", "tall", comparative="taller"),
    Adjective("jeune", "jeune", "young", comparative="younger"),
    Adjective("riche", "riche", "rich", comparative="richer"),
    Adjective("fort", "forte", "strong", comparative="stronger"),
    Adjective("gentil", "gentille", "kind", comparative="kinder"),
    Adjective("patient", "patiente", "patient", comparative="more patient"),
)

ETRE = _verb("être été suis es est sommes êtes sont", "be/been")
AVOIR = _verb("avoir eu ai as a avons avez ont", "have/had")
ALLER = _verb("aller allé vais vas va allons allez vont", "go/went", with_etre=True, progressive=True)
POUVOIR = _verb("pouvoir pu peux peux peut pouvons pouvez peuvent", "can/could")
VOULOIR = _verb("vouloir voulu veux veux veut voulons voulez veulent", "want/wanted")
DEVOIR = _verb("devoir dû dois dois doit devons devez doivent", "have/had")
SAVOIR = _verb("savoir su sais sais sait savons savez savent", "know/knew")
CROIRE = _verb("croire cru crois crois croit croyons croyez croient", "think/thought")
COUTER = _regular("coûter", "cost/cost")
HABITER = _regular("habiter", "live/lived")

PASTIMES = (
    _regular("chanter", "sing/sang"),
    _regular("danser", "dance/danced"),
    _regular("travailler", "work/worked"),
    _regular("jouer", "play/played"),
    _regular("étudier", "study/studied"),
    _verb("dormir dormi dors dors dort dormons dormez dorment", "sleep/slept"),
)
SPORTS = (
    _verb("nager nagé nage nages nage nageons nagez nagent", "swim/swam"),
    _verb("courir couru cours cours court courons courez courent", "run/ran"),
)
ACTIVITIES = PASTIMES + SPORTS
MOVES = (
    _regular("arriver", "arrive/arrived", with_etre=True, progressive=True),
    _regular("rentrer", "go home/went home", with_etre=True, progressive=True),
    _verb("partir parti pars pars part partons partez partent", "leave/left", with_etre=True, progressive=True),
    _verb("sortir sorti sors sors sort sortons sortez sortent", "go out/went out", with_etre=True, progressive=True),
    _verb(
        "revenir revenu reviens reviens revient revenons revenez reviennent",
        "come back/came back",
        with_etre=True,
        progressive=True,
    ),
)
ACTIONS = (
    _verb("manger mangé mange manges mange mangeons mangez mangent", "eat/ate", FOOD),
    _verb("boire bu bois bois boit buvons buvez boivent", "drink/drank", DRINKS),
    _verb("lire lu lis lis lit lisons lisez lisent", "read/read", TEXTS),
    _verb("écrire écrit écris écris écrit écrivons écrivez écrivent", "write/wrote", TEXTS),
    _verb(
        "acheter acheté achète achètes achète achetons achetez achètent",
        "buy/bought",
        FOOD + CLOTHES + THINGS + VEHICLES + HOMES,
    ),
    _verb("vendre vendu vends vends vend vendons vendez vendent", "sell/sold", FOOD + CLOTHES + VEHICLES + HOMES),
    _verb("choisir choisi choisis choisis choisit choisissons choisissez choisissent", "choose/chose", CLOTHES + SHOWS),
    _verb("perdre perdu perds perds perd perdons perdez perdent", "lose/lost", THINGS + CLOTHES),
    _verb("ouvrir ouvert ouvre ouvres ouvre ouvrons ouvrez ouvrent", "open/opened", OPENINGS),
    _regular("fermer", "close/closed", OPENINGS),
    _regular("laver", "wash/washed", CLOTHES + VEHICLES),
    _regular("porter", "wear/wore", CLOTHES, progressive=True),
    _regular("préparer", "prepare/prepared", FOOD),
    _regular("trouver", "find/found", THINGS + TEXTS),
    _regular("chercher", "look for/looked for", THINGS + TEXTS + ANIMALS, progressive=True),
    _regular("regarder", "watch/watched", SHOWS + ANIMALS),
)
ENCOUNTERS = (
    _verb(
        "attendre attendu attends attends attend attendons attendez attendent",
        "wait for/waited for",
        PEOPLE,
        progressive=True,
    ),
    _verb("voir vu vois vois voit voyons voyez voient", "see/saw", PEOPLE),
    _regular("inviter", "invite/invited", PEOPLE),
    _regular("aider", "help/helped", PEOPLE),
    _verb(
        "comprendre compris comprends comprends comprend comprenons comprenez comprennent",
        "understand/understood",
        PEOPLE,
    ),
)
