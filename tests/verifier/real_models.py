"""Models of transformers, unchanged: small, with random weights, and through their own losses."""

import os
from collections.abc import Callable
from typing import Any

from tests.verifier.lazy import Lazy

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # before it is imported: nothing is downloaded

torch, hub = map(Lazy, ("torch", "transformers"))

SIZES = {
    "vocab_size": 11,
    "hidden_size": 8,
    "intermediate_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 16,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
"""Of most models."""

T5 = {
    "vocab_size": 11,
    "d_model": 8,
    "d_kv": 4,
    "d_ff": 12,
    "num_layers": 1,
    "num_heads": 2,
    "decoder_start_token_id": 0,
    "pad_token_id": 0,
    "eos_token_id": 1,
}

MAMBA = {
    "vocab_size": 11,
    "hidden_size": 8,
    "state_size": 4,
    "num_hidden_layers": 1,
    "conv_kernel": 3,
    "time_step_rank": 2,
}

WHISPER = {
    "vocab_size": 11,
    "num_mel_bins": 4,
    "d_model": 8,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 12,
    "decoder_ffn_dim": 12,
    "max_source_positions": 4,
    "max_target_positions": 8,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 1,
    "suppress_tokens": None,
    "begin_suppress_tokens": None,
}

DEBERTA = {
    "relative_attention": True,
    "position_buckets": 4,
    "pos_att_type": ["p2c", "c2p"],
    "share_att_key": True,
    "norm_rel_ebd": "layer_norm",
}

EXPERTS = {"num_local_experts": 3, "num_experts_per_tok": 2, "output_router_logits": True}

Model = tuple[Any, Callable[[], Any]]
"""A model, and what computes its loss."""


def ids(times: int = 5) -> Any:
    """Return tokens, (2, T)."""
    return torch.randint(3, 11, (2, times))


def of_text(name: str, config: str, **options: Any) -> Model:
    """Return a model of text, which predicts its own tokens."""
    model = getattr(hub, name)(getattr(hub, config)(**options))
    tokens = ids()
    return model, lambda: model(input_ids=tokens, labels=tokens).loss


def of_pairs(name: str, config: str, *shape: int, **options: Any) -> Model:
    """Return a model that makes tokens of other tokens, or of numbers of a shape."""
    model = getattr(hub, name)(getattr(hub, config)(**options))
    tokens, numbers = ids(), torch.randn(shape) if shape else None

    def loss() -> Any:
        if numbers is None:
            return model(input_ids=tokens.flip(1), labels=tokens).loss
        return model(input_features=numbers.to(model.dtype), labels=tokens).loss

    return model, loss


def of_images(name: str, config: str, side: int, **options: Any) -> Model:
    """Return a model that classifies images. side: of an image, in pixels."""
    model = getattr(hub, name)(getattr(hub, config)(num_labels=3, **options))
    x, y = torch.randn(3, 3, side, side), torch.tensor([0, 2, 1])
    return model, lambda: model(pixel_values=x.to(model.dtype), labels=y).loss


def gpt2(**options: Any) -> Model:
    """Return a GPT-2, whose sizes have other names."""
    sizes = {"vocab_size": 11, "n_positions": 8, "n_embd": 8, "n_layer": 2, "n_head": 2}
    ends = {"bos_token_id": 1, "eos_token_id": 2}
    return of_text("GPT2LMHeadModel", "GPT2Config", **sizes, **ends, **options)


def llama(**options: Any) -> Model:
    """Return a Llama, whose two heads share keys and values."""
    return of_text("LlamaForCausalLM", "LlamaConfig", **SIZES, num_key_value_heads=1, **options)


MODELS: dict[str, Callable[[], Model]] = {
    "GPT-2": gpt2,
    "Llama": llama,
    "Mistral": lambda: of_text(
        "MistralForCausalLM", "MistralConfig", **SIZES, num_key_value_heads=1, sliding_window=3
    ),
    "Qwen3": lambda: of_text(
        "Qwen3ForCausalLM", "Qwen3Config", **SIZES, num_key_value_heads=1, head_dim=4
    ),
    "Gemma 2": lambda: of_text(
        *("Gemma2ForCausalLM", "Gemma2Config"),
        **SIZES,
        num_key_value_heads=1,
        head_dim=4,
        sliding_window=3,
    ),
    "Mixtral": lambda: of_text(
        "MixtralForCausalLM", "MixtralConfig", **SIZES, num_key_value_heads=1, **EXPERTS
    ),
    "BERT": lambda: of_text("BertForMaskedLM", "BertConfig", **SIZES),
    "RoBERTa": lambda: of_text("RobertaForMaskedLM", "RobertaConfig", **SIZES),
    "DeBERTa": lambda: of_text("DebertaV2ForMaskedLM", "DebertaV2Config", **SIZES, **DEBERTA),
    "T5": lambda: of_pairs("T5ForConditionalGeneration", "T5Config", **T5),
    "GPT-NeoX": lambda: of_text(
        "GPTNeoXForCausalLM", "GPTNeoXConfig", **SIZES, attention_dropout=0.1, hidden_dropout=0.1
    ),
    "Phi": lambda: of_text("PhiForCausalLM", "PhiConfig", **SIZES),
    "Mamba": lambda: of_text("MambaForCausalLM", "MambaConfig", **MAMBA),
    "BLOOM": lambda: of_text("BloomForCausalLM", "BloomConfig", n_layer=2, n_head=2, **SIZES),
    "GPT-Neo": lambda: of_text(
        *("GPTNeoForCausalLM", "GPTNeoConfig"),
        **{**SIZES, "attn_implementation": "eager"},
        num_layers=2,
        num_heads=2,
        attention_types=[[["global", "local"], 1]],
        window_size=3,
    ),
    "Llama 4": lambda: of_text(
        *("Llama4ForCausalLM", "Llama4TextConfig"),
        **{**SIZES, **EXPERTS, "num_experts_per_tok": 1},
        num_key_value_heads=1,
        head_dim=4,
        intermediate_size_mlp=16,
    ),
    "ModernBERT": lambda: of_text(
        *("ModernBertForMaskedLM", "ModernBertConfig"),
        **SIZES,
        cls_token_id=1,
        sep_token_id=2,
        local_attention=4,
    ),
    "ViT": lambda: of_images(
        *("ViTForImageClassification", "ViTConfig", 8),
        **{k: n for k, n in SIZES.items() if k.startswith(("hidden", "inter", "num"))},
        image_size=8,
        patch_size=4,
    ),
    "ResNet": lambda: of_images(
        *("ResNetForImageClassification", "ResNetConfig", 16),
        embedding_size=4,
        hidden_sizes=[4, 8],
        depths=[1, 1],
        layer_type="basic",
    ),
    "Whisper": lambda: of_pairs(
        "WhisperForConditionalGeneration", "WhisperConfig", 2, 4, 8, **WHISPER
    ),
}
