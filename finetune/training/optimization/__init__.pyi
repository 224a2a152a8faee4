from .learning_rate import AnyRate as AnyRate, Constant as Constant, LearningRate as LearningRate
from .optimizer import AnyOptimizer as AnyOptimizer, Optimizer as Optimizer
