"""ROUGE-L and BLEU-4 of generated texts, as rouge-score and sacrebleu compute them."""

from collections.abc import Sequence


def text_scores(texts: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    """Both from 0 to 1: rouge-l is the mean F-measure of the texts, bleu-4 that of the whole corpus.

    ROUGE-L (Lin, 2004) without stemming; BLEU (Papineni et al., ACL 2002) with sacrebleu's tokenizer 13a and smoothing
    "exp", which matters only where no four words in a row are right in all of the texts.
    """
    # They bring nltk and lxml, which clients that generate nothing never need.
    from rouge_score.rouge_scorer import RougeScorer
    from rouge_score.tokenizers import DefaultTokenizer
    from sacrebleu.metrics.bleu import BLEU

    assert len(texts) == len(references) > 0, (len(texts), len(references))
    # Its default tokenizer, made here: where it makes it, it says so by a handler that repeats all logs of the process.
    scorer = RougeScorer(["rougeL"], tokenizer=DefaultTokenizer(use_stemmer=False))
    both = zip(references, texts, strict=True)
    rouge = [scorer.score(reference, text)["rougeL"].fmeasure for reference, text in both]
    bleu = BLEU().corpus_score(list(texts), [list(references)]).score
    return {"rouge-l": sum(rouge) / len(rouge), "bleu-4": bleu / 100}
