"""The rules of the phrasebook: each draws words and builds a question in French and in English.

The names of the rules are the seeds of their draws.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from seqvise.corpus.phrasebook import english, french, lexicon
from seqvise.corpus.phrasebook.clause import NEVER, NOTHING, Clause, Form, Nominal, Phrase, Tense
from seqvise.corpus.phrasebook.draws import (
    EVENTS,
    ask,
    both,
    company,
    negation,
    person,
    possession,
    quality,
    subject,
    thing,
    when,
)
from seqvise.corpus.phrasebook.lexicon import Noun
from seqvise.corpus.phrasebook.nominals import (
    BARE,
    POSSESSIVES,
    PRONOUNS,
    THE,
    THIS,
    WHICH,
    WHO,
    indefinite,
    noun_phrase,
    owned,
)
from seqvise.dice import Dice

Rule = Callable[[Dice], Phrase]

BELONGINGS = lexicon.TEXTS[:2] + lexicon.CLOTHES + lexicon.THINGS + lexicon.VEHICLES
GOODS = lexicon.CLOTHES + lexicon.THINGS + lexicon.VEHICLES + lexicon.HOMES
DUTIES = tuple(verb for verb in lexicon.ACTIONS if verb.base not in ("lose", "find"))
QUESTION_WORDS = (
    Phrase("où", "where"),
    Phrase("quand", "when"),
    Phrase("pourquoi", "why"),
    Phrase("comment", "how"),
    Phrase("à quelle heure", "what time"),
)
WHY = QUESTION_WORDS[2]
FAVOURS = tuple(verb for verb in lexicon.ACTIONS if verb.base in ("write", "buy", "choose", "open", "wash", "prepare"))
TO_ME, TO_YOU, TO_US = Phrase("me", "me"), Phrase("te", "you"), Phrase("nous", "us")
TO_YOU_ALL, TO_THEM = Phrase("vous", "you"), Phrase("les", "them")
DEFINITE = (THE, THIS, *POSSESSIVES)
LASTING = (*EVENTS, Tense.IMPERFECT)
DEGREES = (("plus", "{0.comparative} than"), ("moins", "less {0.english} than"), ("aussi", "as {0.english} as"))


def activity(dice: Dice) -> Phrase:
    """« Les enfants ont-ils dansé hier ? »: Did the children dance yesterday?"""
    verb = dice.pick(lexicon.ACTIVITIES + lexicon.MOVES)
    tense = dice.pick(LASTING if verb in lexicon.PASTIMES else EVENTS)
    clause = Clause(subject(dice), verb, tense, when(dice, verb, tense), negation(dice))
    return ask(dice, clause)


def circumstance(dice: Dice) -> Phrase:
    """« Pourquoi est-elle partie ? »: Why did she leave?"""
    moves = dice.chance(0.4)
    verb = dice.pick(lexicon.MOVES if moves else lexicon.ACTIVITIES)
    tense = dice.pick(LASTING if verb in lexicon.PASTIMES else EVENTS)
    asked = dice.pick(QUESTION_WORDS[1:] if moves else QUESTION_WORDS)
    negated = negation(dice, 0.4) if asked is WHY else NOTHING
    return ask(dice, Clause(subject(dice), verb, tense, negation=negated), asked)


def action(dice: Dice) -> Phrase:
    """« N'as-tu pas trouvé tes clés ? »: Didn't you find your keys?"""
    verb, actor, negated = dice.pick(lexicon.ACTIONS), subject(dice), negation(dice)
    thing_acted_on = thing(dice, verb, actor, negative=bool(negated.french), yes_no=True)
    tense = dice.pick(EVENTS)
    clause = Clause(actor, verb, tense, both(thing_acted_on.text, when(dice, verb, tense)), negated)
    return ask(dice, clause)


def circumstance_of_action(dice: Dice) -> Phrase:
    """« Où a-t-il acheté son chapeau ? »: Where did he buy his hat?"""
    verb, actor, asked = dice.pick(lexicon.ACTIONS), subject(dice), dice.pick(QUESTION_WORDS[:4])
    negated = negation(dice, 0.4) if asked is WHY else NOTHING
    thing_acted_on = thing(dice, verb, actor, negative=bool(negated.french), yes_no=False)
    return ask(dice, Clause(actor, verb, dice.pick(EVENTS), thing_acted_on.text, negated), asked)


def object_asked(dice: Dice) -> Phrase:
    """« Que cherche-t-elle ? »: What is she looking for?

    After « que » a noun cannot precede its verb, so nouns take « qu'est-ce que ».
    """
    verb, tense, actor = dice.pick(lexicon.ACTIONS), dice.pick(EVENTS), subject(dice)
    clause = Clause(actor, verb, tense, when(dice, verb, tense), negation(dice, 0.15))
    if actor.pronoun:
        return ask(dice, clause, Phrase("que", "what"))
    return Phrase(french.question(clause, Form.EST_CE_QUE, "que"), english.question(clause, "what"))


def person_asked(dice: Dice) -> Phrase:
    """« Qui attends-tu ? »: Who are you waiting for?"""
    verb, tense = dice.pick(lexicon.ENCOUNTERS), dice.pick(EVENTS)
    negated = negation(dice)
    time = NOTHING if negated.french else when(dice, verb, tense)
    return ask(dice, Clause(subject(dice), verb, tense, time, negated), WHO.text)


def residence(dice: Dice) -> Phrase:
    """« Où habites-tu ? »: Where do you live?"""
    asked = dice.pick((QUESTION_WORDS[0], QUESTION_WORDS[0], Phrase("avec qui", "who")))
    stranded = Phrase("", "with" if asked.english == "who" else "")
    return ask(dice, Clause(subject(dice), lexicon.HABITER, dice.pick(LASTING), stranded), asked)


def companion_asked(dice: Dice) -> Phrase:
    """« Avec qui travaillez-vous ? »: Who do you work with?"""
    clause = Clause(subject(dice), dice.pick(lexicon.ACTIVITIES + lexicon.MOVES), dice.pick(EVENTS), Phrase("", "with"))
    return ask(dice, clause, Phrase("avec qui", "who"))


def beneficiary_asked(dice: Dice) -> Phrase:
    """« Pour qui as-tu préparé ce gâteau ? »: Who did you prepare this cake for?"""
    verb = dice.pick(FAVOURS)
    gift = thing(dice, verb, None, negative=False, yes_no=False)
    clause = Clause(subject(dice), verb, dice.pick(EVENTS), both(gift.text, Phrase("", "for")))
    return ask(dice, clause, Phrase("pour qui", "who"))


def actor_asked(dice: Dice) -> Phrase:
    """« Qui a mangé le gâteau ? »: Who ate the cake?"""
    verb, tense = dice.pick(lexicon.ACTIONS + lexicon.ACTIVITIES + lexicon.ENCOUNTERS), dice.pick(EVENTS)
    done_to = NOTHING
    if verb in lexicon.ENCOUNTERS:
        done_to = company(dice, None).text
    elif verb.objects:
        done_to = thing(dice, verb, None, negative=False, yes_no=False).text
    clause = Clause(WHO, verb, tense, both(done_to, when(dice, verb, tense)))
    marked = replace(clause, subject=replace(WHO, text=Phrase("qui est-ce qui", "who")))
    return Phrase(french.statement(dice.pick((clause, clause, marked))), english.statement(clause))


def choice_asked(dice: Dice) -> Phrase:
    """« Quelles pommes avez-vous achetées ? »: Which apples did you buy?"""
    verb, many = dice.pick(lexicon.ACTIONS), dice.chance(0.5)
    chosen = noun_phrase(dice.pick(_counted(verb.objects)), WHICH, many)
    return ask(dice, Clause(subject(dice), verb, dice.pick(EVENTS), agreement=chosen), chosen.text)


def amount_asked(dice: Dice) -> Phrase:
    """« Combien d'œufs a-t-il mangés ? »: How many eggs did he eat?"""
    verb = dice.pick(lexicon.ACTIONS)
    noun = dice.pick(verb.objects)
    counted = noun_phrase(noun, BARE, many=True)
    quantifier = "how many" if noun.counted else "how much"
    asked = Phrase(f"combien de {counted.text.french}", f"{quantifier} {counted.text.english}")
    return ask(dice, Clause(subject(dice), verb, dice.pick(EVENTS), agreement=counted), asked)


def encounter(dice: Dice) -> Phrase:
    """« Aidez-vous mes amies ? »: Do you help my friends?"""
    verb, actor, tense = dice.pick(lexicon.ENCOUNTERS), subject(dice), dice.pick(EVENTS)
    complement = both(company(dice, actor).text, when(dice, verb, tense))
    clause = Clause(actor, verb, tense, complement, negation(dice))
    return ask(dice, clause, dice.pick((NOTHING, NOTHING, WHY)))


def clitic(dice: Dice) -> Phrase:
    """« Pourquoi ne m'as-tu pas attendu ? »: Why didn't you wait for me?"""
    verb, actor, tense = dice.pick(lexicon.ENCOUNTERS), subject(dice), dice.pick(EVENTS)
    other_than_actor = {0: TO_YOU, 1: TO_ME, 3: TO_YOU_ALL, 4: TO_US}
    everyone = (TO_ME, TO_YOU, TO_US, TO_YOU_ALL)
    moved = dice.pick((other_than_actor.get(actor.person) or dice.pick(everyone), TO_THEM))
    seen = Nominal(moved, person=1 if moved in (TO_ME, TO_YOU) else 5)
    clause = Clause(actor, verb, tense, negation=negation(dice, 0.3), clitic=moved, agreement=seen)
    return ask(dice, clause, dice.pick((NOTHING, NOTHING, WHY)))


def habit(dice: Dice) -> Phrase:
    """« Mange-t-il souvent ces pommes ? »: Does he often eat these apples? And « ne ... jamais »: never."""
    never = dice.chance(0.5)
    verb, actor = dice.pick([verb for verb in lexicon.ACTIONS if not verb.progressive]), subject(dice)
    eaten = noun_phrase(dice.pick(verb.objects), dice.pick((THE, THIS)), many=True)
    clause = Clause(actor, verb, complement=eaten.text)
    if never:
        return ask(dice, replace(clause, negation=NEVER), WHY)
    often = replace(clause, adverb=Phrase("souvent", "often"))
    return ask(dice, often, dice.pick((NOTHING, WHY)))


def mood(dice: Dice) -> Phrase:
    """« Pourquoi tes sœurs sont-elles inquiètes ? »: Why are your sisters worried?"""
    who, adjective = subject(dice), dice.pick(lexicon.MOODS)
    felt = Phrase(french.adjective(adjective, who.feminine, who.plural), adjective.english)
    tense = dice.pick((Tense.PRESENT, Tense.IMPERFECT))
    clause = Clause(who, lexicon.ETRE, tense, felt, negation(dice))
    return ask(dice, clause, dice.pick((NOTHING, NOTHING, WHY)))


def comparison(dice: Dice) -> Phrase:
    """« Ton frère est-il plus grand que cette dame ? »: Is your brother taller than this lady?"""
    adjective, measure = dice.pick(lexicon.TRAITS), person(dice)
    degree, compared = dice.pick(DEGREES)
    who = dice.pick((WHO, person(dice), dice.pick(PRONOUNS)))
    inflected = french.adjective(adjective, who.feminine, who.plural)
    text = Phrase(f"{degree} {inflected} que", compared.format(adjective))
    clause = Clause(who, lexicon.ETRE, complement=both(text, measure.text))
    return Phrase(french.statement(clause), english.statement(clause)) if who is WHO else ask(dice, clause)


def whereabouts(dice: Dice) -> Phrase:
    """« Où étaient les clés du voisin ? »: Where were the neighbour's keys?"""
    nouns = BELONGINGS + lexicon.ANIMALS
    lost = possession(dice, nouns) if dice.chance(0.4) else owned(dice.pick(nouns), person(dice), dice.chance(0.4))
    clause = Clause(lost, lexicon.ETRE, dice.pick((Tense.PRESENT, Tense.IMPERFECT)))
    question = Phrase(f"où {_verb_form(clause)} {lost.text.french}", english.question(clause, "where"))
    return question if dice.chance(0.7) else question._replace(french=french.question(clause, Form.INVERSION, "où"))


def colour(dice: Dice) -> Phrase:
    """« De quelle couleur est la robe de l'étudiante ? »: What colour is the student's dress?"""
    noun, many = dice.pick(GOODS), dice.chance(0.4)
    coloured = owned(noun, person(dice), many) if dice.chance(0.7) else noun_phrase(noun, dice.pick(DEFINITE), many)
    clause = Clause(coloured, lexicon.ETRE, dice.pick((Tense.PRESENT, Tense.IMPERFECT)))
    asked = f"de quelle couleur {_verb_form(clause)} {coloured.text.french}"
    return Phrase(asked, english.question(clause, "what colour"))


def is_it_coloured(dice: Dice) -> Phrase:
    """« Ta maison est-elle blanche ? »: Is your house white?"""
    noun, many, adjective = dice.pick(GOODS), dice.chance(0.4), dice.pick(lexicon.COLOURS)
    painted = owned(noun, person(dice), many) if dice.chance(0.5) else noun_phrase(noun, dice.pick(DEFINITE), many)
    text = Phrase(french.adjective(adjective, painted.feminine, painted.plural), adjective.english)
    return ask(dice, Clause(painted, lexicon.ETRE, complement=text, negation=negation(dice)))


def price(dice: Dice) -> Phrase:
    """« Combien coûtent ces chemises vertes ? »: How much do these green shirts cost?"""
    sold = possession(dice, GOODS)
    clause = Clause(sold, lexicon.COUTER, dice.pick(EVENTS))
    asked = ask(dice, clause, Phrase("combien", "how much"))
    return asked._replace(french=f"combien {_verb_form(clause)} {sold.text.french}") if dice.chance(0.5) else asked


def age(dice: Dice) -> Phrase:
    """« Quel âge a ta tante ? »: How old is your aunt?"""
    who = subject(dice)
    tense = dice.pick((Tense.PRESENT, Tense.IMPERFECT))
    asked = english.question(Clause(who, lexicon.ETRE, tense), "how old")
    clause = Clause(who, lexicon.AVOIR, tense)
    if who.pronoun:
        return Phrase(french.question(clause, Form.INVERSION, "quel âge"), asked)
    return Phrase(f"quel âge {_verb_form(clause)} {who.text.french}", asked)


def name(dice: Dice) -> Phrase:
    """« Comment s'appelle le chien de ta voisine ? »: What is your neighbour's dog's name?"""
    named = owned(dice.pick(lexicon.ANIMALS), person(dice), dice.chance(0.3)) if dice.chance(0.5) else person(dice)
    verb = "s'appellent" if named.plural else "s'appelle"
    names = "are {} names" if named.plural else "is {} name"
    return Phrase(f"comment {verb} {named.text.french}", "what " + names.format(english.genitive(named)))


def owner_asked(dice: Dice) -> Phrase:
    """« À qui sont ces clés ? »: Whose keys are these?"""
    noun, many = dice.pick(BELONGINGS + lexicon.HOMES + lexicon.ANIMALS), dice.chance(0.5)
    adjective = quality(dice, noun) if dice.chance(0.8) else None
    shown = noun_phrase(noun, THIS, many, adjective)
    article, _, words = shown.text.english.partition(" ")
    verb = Clause(shown, lexicon.ETRE)
    asked = english.join("whose", words, english.agreeing(english.BE, shown.person), article)
    return Phrase(f"à qui {_verb_form(verb)} {shown.text.french}", asked)


def presence(dice: Dice) -> Phrase:
    """« Y a-t-il des oiseaux dans le jardin ? »: Are there any birds in the garden?"""
    noun, many, past = dice.pick(BELONGINGS + lexicon.ANIMALS + lexicon.FOOD), dice.chance(0.5), dice.chance(0.3)
    seen = noun_phrase(noun, indefinite(noun, negative=False, yes_no=True), many)
    be = english.agreeing(english.WAS if past else english.BE, seen.person)
    opening = dice.pick(("y avait-il", "est-ce qu'il y avait") if past else ("y a-t-il", "est-ce qu'il y a"))
    there = Phrase(opening, f"{be} there")
    return both(there, seen.text, _inside(dice))


def amount_present(dice: Dice) -> Phrase:
    """« Combien de chats y a-t-il dans la rue ? »: How many cats are there in the street?"""
    noun, past = dice.pick(BELONGINGS + lexicon.ANIMALS + lexicon.FOOD + lexicon.PEOPLE), dice.chance(0.4)
    seen = noun_phrase(noun, BARE, many=True)
    be = english.agreeing(english.WAS if past else english.BE, seen.person)
    quantifier = "how many" if noun.counted else "how much"
    there = f"combien de {seen.text.french} {'y avait-il' if past else 'y a-t-il'}"
    return both(Phrase(there, f"{quantifier} {seen.text.english} {be} there"), _inside(dice))


def having(dice: Dice) -> Phrase:
    """« N'a-t-elle pas de vélo ? »: Doesn't she have a bicycle?"""
    who, negated = subject(dice), negation(dice, 0.3)
    noun = dice.pick(BELONGINGS + lexicon.ANIMALS)
    adjective = quality(dice, noun) if dice.chance(0.4) else None
    determiner = indefinite(noun, negative=bool(negated.french), yes_no=True)
    held = noun_phrase(noun, determiner, dice.chance(0.4), adjective)
    return ask(dice, Clause(who, lexicon.AVOIR, complement=held.text, negation=negated))


def ability(dice: Dice) -> Phrase:
    """« Puis-je fermer la fenêtre ? »: Can I close the window? And *want to*, *have to*."""
    modal = dice.pick((lexicon.POUVOIR, lexicon.VOULOIR, lexicon.DEVOIR))
    verb, who = dice.pick(DUTIES), subject(dice)
    done_to = noun_phrase(dice.pick(verb.objects), dice.pick((THE, THIS)), dice.chance(0.4))
    link = "" if modal is lexicon.POUVOIR else "to"
    deed = both(Phrase(verb.infinitive, english.join(link, verb.base)), done_to.text)
    asked = dice.pick((NOTHING, NOTHING, *QUESTION_WORDS[:3]))
    negated = NOTHING if modal is lexicon.DEVOIR else negation(dice, 0.2)
    return ask(dice, Clause(who, modal, complement=deed, negation=negated), asked)


def journey(dice: Dice) -> Phrase:
    """« Quand allez-vous à la gare ? »: When are you going to the station? « Du marché »: from the market."""
    verb, tense = dice.pick((lexicon.ALLER, lexicon.MOVES[-1])), dice.pick(EVENTS)
    place = noun_phrase(dice.pick(lexicon.PLACES), THE)
    way = Phrase("à", "to") if verb is lexicon.ALLER else Phrase("de", "from")
    asked = dice.pick((NOTHING, *QUESTION_WORDS[1:]))
    complement = both(way, place.text, NOTHING if asked.french else when(dice, verb, tense))
    return ask(dice, Clause(subject(dice), verb, tense, complement, negation(dice, 0.1)), asked)


def place_of_activity(dice: Dice) -> Phrase:
    """« Tes amis dorment-ils à l'hôtel ? »: Do your friends sleep at the hotel?"""
    verb, tense = dice.pick(lexicon.PASTIMES), dice.pick((Tense.PRESENT, Tense.PAST))
    place = both(Phrase("à", "at"), noun_phrase(dice.pick(lexicon.PLACES), THE).text)
    inside = dice.pick((place, _inside(dice)))
    return ask(dice, Clause(subject(dice), verb, tense, inside, negation(dice)), dice.pick((NOTHING, WHY)))


def knowledge(dice: Dice) -> Phrase:
    """« Sais-tu pourquoi les enfants sont partis ? »: Do you know why the children left?"""
    who, verb, tense = dice.pick(PRONOUNS[1:]), dice.pick(lexicon.ACTIVITIES + lexicon.MOVES), dice.pick(EVENTS)
    clause = Clause(person(dice), verb, tense)
    if dice.chance(0.4):
        clause = replace(clause, subject=dice.pick(PRONOUNS[2:4] + PRONOUNS[6:]))
    linked = dice.pick((Phrase("si", "if"), *QUESTION_WORDS[1:3]))
    known = both(linked, Phrase(french.statement(clause), english.statement(clause)))
    return ask(dice, Clause(who, lexicon.SAVOIR, complement=known, negation=negation(dice, 0.2)))


def opinion(dice: Dice) -> Phrase:
    """« Est-ce que tu crois qu'il a perdu ses clés ? »: Do you think that he lost his keys?

    With « est-ce que » only: after the inversion of « croire », careful French requires a subjunctive.
    """
    who, verb, tense = dice.pick(PRONOUNS[1:]), dice.pick(lexicon.ACTIONS), dice.pick(EVENTS)
    actor = dice.pick((person(dice), dice.pick(PRONOUNS[2:4] + PRONOUNS[6:])))
    clause = Clause(actor, verb, tense, thing(dice, verb, actor, negative=False, yes_no=False).text)
    thought = Phrase(f"que {french.statement(clause)}", f"that {english.statement(clause)}")
    belief = Clause(who, lexicon.CROIRE, complement=thought)
    return Phrase(french.question(belief, Form.EST_CE_QUE), english.question(belief))


def _counted(nouns: tuple[Noun, ...]) -> tuple[Noun, ...]:
    return tuple(noun for noun in nouns if noun.counted) or nouns


def _inside(dice: Dice) -> Phrase:
    return both(Phrase("dans", "in"), noun_phrase(dice.pick(lexicon.SPOTS), THE).text)


def _verb_form(clause: Clause) -> str:
    """The verb alone, for questions in which the French subject follows it without a pronoun."""
    bare = replace(clause, subject=replace(clause.subject, text=NOTHING))
    return french.statement(bare)


RULES: tuple[Rule, ...] = (
    *(activity, circumstance, action, circumstance_of_action, object_asked, person_asked, residence, companion_asked),
    *(beneficiary_asked, actor_asked, choice_asked, amount_asked, encounter, clitic, habit, mood, comparison),
    *(whereabouts, colour, is_it_coloured, price, age, name, owner_asked, presence, amount_present, having),
    *(ability, journey, place_of_activity, knowledge, opinion),
)
"""In the order of their pairs in the corpus."""
